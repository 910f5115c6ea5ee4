"""Options of the stages before a network, and what becomes of them in a table."""

from pathlib import Path

import numpy as np

from lensfinder.errors import FRONT_STATUS, ArgumentError, OutputExistsError
from lensfinder.predict.cleaned_files import CleanedFiles
from lensfinder.predict.cleaner import Cleaner, default_cleaner


def free_folder(output, overwrite: bool) -> Path:
    """The folder to write to, if it is free.

    Parameters
    ----------
    output : path
        The folder.
    overwrite : bool
        Whether one that holds files may be taken.

    Returns
    -------
    pathlib.Path
        The folder; it may not exist yet.

    Raises
    ------
    OutputExistsError
        If it is taken.
    """
    place = Path(output)
    taken = place.exists() and (not place.is_dir() or any(place.iterdir()))
    if taken and (not overwrite or not place.is_dir()):
        raise OutputExistsError(
            f"{place} holds files already. Choose another folder, or overwrite them.",
            path=str(place),
        )
    return place


def stages(clean, denoiser=None, cleaned=None, *, batch_size: int, overwrite: bool = False):
    """The cleaner of a run, and where its images go.

    Parameters
    ----------
    clean : None, bool, str, path or OwnNetwork
        The cleaner; True for the one that comes with lensfinder.
    denoiser : str, path, OwnNetwork or None
        What makes noiseless images for it.
    cleaned : path or None
        Folder for the cleaned and the denoised images.
    batch_size : int
        Objects per step.
    overwrite : bool
        Whether a folder that holds files may be taken.

    Returns
    -------
    cleaner : Cleaner or None
        None, if nothing is to be cleaned.
    files : CleanedFiles or None
        None, if nothing is to be kept.

    Raises
    ------
    ArgumentError
        If there are options of a cleaner, and no cleaner.
    OutputExistsError
        If the folder is taken.
    PresetError, UnknownNameError, UntrustedArtefactError
        If a preset is not what it should be, or not there.
    """
    if not clean:
        if denoiser is not None or cleaned is not None:
            raise ArgumentError("A denoiser, or cleaned images, need a cleaner. Give `clean`, too.")
        return None, None
    place = None if cleaned is None else free_folder(cleaned, overwrite)
    preset = None if clean is True else clean
    cleaner = Cleaner(preset, denoiser=denoiser, batch_size=batch_size)
    return cleaner, None if place is None else CleanedFiles(place, cleaner, intermediate=True)


def stage_options(clean, denoiser=None, cleaned=None) -> dict:
    """The same, as the command line names it.

    Parameters
    ----------
    clean, denoiser, cleaned : object
        As of `stages`.

    Returns
    -------
    dict
        Options by name.
    """
    named = default_cleaner() if clean is True else clean or None
    return {"clean": named, "denoiser": denoiser, "cleaned": cleaned}


def front_columns(rows, threshold: float) -> dict:
    """Columns about what lay before a finder.

    Parameters
    ----------
    rows : Rows
        Answers of a `Chain`.
    threshold : float
        From which on an object is called a lens.

    Returns
    -------
    dict
        ``front_status`` (empty for rows without an answer), and where there are such numbers
        ``mask_radius`` (arcsec), ``p_lens_stamp``, ``p_lens_zoom`` and ``scale_agreement``.
    """
    columns = {}
    bits = rows.numbers("front_status").astype(np.int64)
    if "p_lens_zoom" in rows.extra:
        scales = {name: rows.numbers(name) for name in ("p_lens_stamp", "p_lens_zoom")}
        agreement, disagree = scale_agreement(*scales.values(), threshold)
        columns |= {**scales, "scale_agreement": agreement}
        bits = bits | disagree * FRONT_STATUS["scales_disagree"]
    if "mask_radius" in rows.extra:
        columns["mask_radius"] = rows.numbers("mask_radius")
    scored = np.concatenate([np.zeros(0, np.int64), *rows.status]) == 0
    words = [FRONT_STATUS.decode(value) if ok else "" for value, ok in zip(bits, scored)]
    return columns | {"front_status": words}


def scale_agreement(p_lens_stamp, p_lens_zoom, threshold: float):
    """How far the two scales say the same.

    Parameters
    ----------
    p_lens_stamp, p_lens_zoom : array (N,)
        Probabilities at the scale of the stamp, and of its enlarged centre; NaN where there is
        none.
    threshold : float
        From which on an object is called a lens.

    Returns
    -------
    agreement : array (N,) float32
        1 for equal probabilities, 0 for opposite ones; NaN where one is missing.
    disagree : array (N,) of bool
        Where one scale says lens, and the other none.
    """
    first, second = np.asarray(p_lens_stamp, float), np.asarray(p_lens_zoom, float)
    both = np.isfinite(first) & np.isfinite(second)
    agreement = np.where(both, 1.0 - np.abs(first - second), np.nan).astype(np.float32)
    return agreement, both & ((first >= threshold) != (second >= threshold))


def failure_category(is_lens, p_lens_stamp, p_lens_zoom, front_status, *, threshold: float = 0.5):
    """Why a finder was wrong, in the five categories of Madireddy et al., section 5.1.2.

    The paper sorts by eye. Here the statuses of the front end decide; the first that fits counts,
    in the order 4, 5, 1, 2, 3.

    Parameters
    ----------
    is_lens : array (N,) of bool
        The truth.
    p_lens_stamp, p_lens_zoom : array (N,)
        Probabilities at either scale; NaN where there is none.
    front_status : array (N,) of int
        Bits of `FRONT_STATUS`.
    threshold : float
        From which on an object is called a lens.

    Returns
    -------
    array (N,) int
        0 right at the scale of the stamp, or without an answer; 1 the mask misses an arc; 2 further
        sources in the mask; 3 wrong with a mask that is in order; 4 wrong, but right after zooming
        in; 5 unlike the training data.
    """
    truth, first = np.asarray(is_lens, bool), np.asarray(p_lens_stamp, float)
    second, bits = np.asarray(p_lens_zoom, float), np.asarray(front_status, np.int64)
    wrong = np.isfinite(first) & ((first >= threshold) != truth)
    flipped = np.isfinite(second) & ((second >= threshold) == truth)

    def raised(name):
        return bits & FRONT_STATUS[name] != 0

    reasons = [flipped, raised("unlike_training"), raised("arc_cut") & truth]
    found = np.select([*reasons, raised("more_sources")], [4, 5, 1, 2], 3)
    return np.where(wrong, found, 0)
