"""What to do with a challenge: shards to train on, and the text to submit."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfinder.data.assembly import assemble, bands_taken
from lensfinder.data.challenges import (
    label_of_name,
    load_challenge,
    read_catalogue,
    read_challenge,
)
from lensfinder.data.guard import DEFAULT_LIMITS, ReadLimits
from lensfinder.data.manifest import Manifest
from lensfinder.errors import STATUS, ArgumentError, DataFormatError, OutputExistsError
from lensfinder.specs import InputContract, load_survey
from lensfinder.tables import write_atomically

BATCH = 256
REJECTED = "rejected.csv"
# What entries to the LSST challenge hold after id and preds; -99 where nothing is estimated.
LSST_PARAMETERS = (
    *("RA", "Dec", "zlens", "vel disp", "ell_m", "ell_m_PA", "sh", "sh_PA", "Rein", "ell_l"),
    *("ell_l_PA", "Reff_l", "n_l_sers", "mag_lens_g", "mag_lens_r", "mag_lens_i", "mag_lens_z"),
    *("mag_lens_y", "zsrc", "srcx", "srcy", "mag_src_g", "mag_src_r", "mag_src_i", "mag_src_z"),
    *("mag_src_y", "ell_s", "ell_s_PA", "Reff_s", "n_s_sers"),
)
NOT_ESTIMATED = "-99"
_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class _Labelled:
    images: dict
    truth: Table
    planes: dict


def challenge_shards(
    challenge,
    paths,
    folder,
    *,
    catalogue=None,
    survey=None,
    resample: bool = False,
    fitting=None,
    limits: ReadLimits = DEFAULT_LIMITS,
    overwrite: bool = False,
) -> tuple[Manifest, Table]:
    """Write the labelled objects of a challenge as shards that a recipe can train on.

    Parameters
    ----------
    challenge : str or Challenge
        Which one.
    paths : path-like or sequence of path-like
        Its folders or files.
    folder : path-like
        Where to write; ``rejected.csv`` beside the shards lists what is not in them, and why.
    catalogue : path-like or None
        Its catalogue, where it has one.
    survey : Survey, str or None
        What the shards are made for; the challenge's own survey by default.
    resample : bool
        Whether stamps of another size or pixel scale are brought to the survey's.
    fitting : dict or None
        Further arguments of `lensfinder.data.assemble`, e.g. ``{"assume": Assume(unit=...)}``:
        the challenges do not state the unit of their pixels.
    limits : ReadLimits
        Caps on what is read.
    overwrite : bool
        Whether a data set in the folder may be replaced.

    Returns
    -------
    manifest : Manifest
        Of the shards; truth columns are ``id``, ``label`` and those of the catalogue.
    rejected : astropy.table.Table
        ``id`` and ``reason`` of every object that is not in them.

    Raises
    ------
    UnknownNameError
        If there is no such challenge or survey.
    DataFormatError
        If the catalogue or the files are not those of the challenge, or no object can be used.
    OutputExistsError
        If the folder holds a data set already.
    """
    from lensfinder.data.shards import ShardWriter

    challenge = load_challenge(challenge)
    survey = load_survey(challenge.survey if survey is None else survey)
    if challenge.label is not None and catalogue is None:
        raise DataFormatError(f"{challenge.name} needs its catalogue, or nothing is labelled.")
    known = None if catalogue is None else read_catalogue(challenge, catalogue, limits=limits)
    contract, how = InputContract.from_survey(survey), dict(fitting or {})
    bands_taken(contract.bands, how.get("band_map"))  # refuses bands that the survey has not got
    # everything that can be wrong at once is found before the folder is touched
    stream = read_challenge(challenge, paths, catalogue=known, limits=limits)
    reasons, seen, batches = [], set(), _batches(stream)

    def labelled():
        for cutouts in batches:
            seen.update(cutout.id for cutout in cutouts)
            batch = assemble(cutouts, contract, resample=resample, **how)
            truths = [cutout.meta["truth"] for cutout in cutouts]
            keep = [row for row in np.flatnonzero(batch.ok) if truths[row] is not None]
            for row, cutout in enumerate(cutouts):
                if not batch.ok[row]:
                    words = f"{STATUS.decode(batch.status[row])}: {batch.messages[row]}"
                    reasons.append((cutout.id, words))
                elif truths[row] is None:
                    reasons.append((cutout.id, "nothing says whether it is a lens"))
            if keep:
                columns = {name: [truths[row][name] for row in keep] for name in truths[keep[0]]}
                truth = Table({"id": [batch.ids[row] for row in keep], **columns})
                yield _Labelled({g: x[keep] for g, x in batch.images.items()}, truth, {})

    usable = labelled()
    first = next(usable, None)
    if first is None:
        example = f" The first, {reasons[0][0]}: {reasons[0][1]}." if reasons else ""
        raise DataFormatError(f"None of the {len(seen)} objects can be used.{example}")
    with ShardWriter(folder, survey=survey, overwrite=overwrite) as writer:
        for batch in itertools.chain([first], usable):
            writer.add(batch)
    if known is not None:
        reasons += [(str(name), "no image") for name in known["id"] if name not in seen]
    rejected = Table(rows=reasons, names=("id", "reason"), dtype=(str, str))
    lines = ["id,reason", *(f'{name},"{why.replace(chr(34), chr(39))}"' for name, why in reasons)]
    _write_lines(Path(folder) / REJECTED, lines)
    return writer.manifest, rejected


def _batches(stream):
    while batch := list(itertools.islice(stream, BATCH)):
        yield batch


def write_submission(
    challenge,
    path,
    ids,
    scores,
    *,
    unscored: float | None = None,
    threshold: float = 0.5,
    overwrite: bool = False,
) -> Path:
    """Write scores as a challenge wants them.

    The first two want lines of cutout number and score, without a header. Entries to the LSST
    challenge have a header, decisions instead of scores, and -99 for all that is not estimated.

    Parameters
    ----------
    challenge : str or Challenge
        Which one.
    path : path-like
        File ending in ``.csv`` or ``.txt``.
    ids : sequence of str
        Names of the objects, each once.
    scores : array (N,)
        Probability of being a lens; NaN for objects without a score.
    unscored : float or None
        What to write for those. None refuses to write: every object must have a line, and a score
        that nobody computed should not slip in unseen.
    threshold : float
        From which a score is a lens, where decisions are wanted.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    UnknownNameError
        If there is no such challenge.
    ArgumentError
        If ids and scores do not go together, an id is not one or stands twice, a score is no
        probability, or is missing while `unscored` is None.
    OutputExistsError
        If the file exists.
    """
    challenge, path = load_challenge(challenge), Path(path)
    if path.suffix not in (".csv", ".txt"):
        raise ArgumentError(f"A submission is a .csv or .txt file. Received: {path.name!r}.")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists. Pass overwrite=True to replace it.")
    ids, scores = [str(name) for name in ids], np.array(scores, np.float64)
    _check_entry(challenge, ids, scores, unscored, threshold)
    scores = np.where(np.isnan(scores), np.nan if unscored is None else unscored, scores)
    if challenge.binary:
        rest = "," + ",".join([NOT_ESTIMATED] * len(LSST_PARAMETERS))
        lines = [",".join(("id", "preds", *LSST_PARAMETERS))]
        lines += [f"{name},{int(p >= threshold)}{rest}" for name, p in zip(ids, scores)]
    else:
        lines = [f"{name},{p:.8g}" for name, p in zip(ids, scores)]
    _write_lines(path, lines)
    return path


def _check_entry(challenge, ids, scores, unscored, threshold):
    if scores.shape != (len(ids),) or not ids:
        raise ArgumentError(f"{len(ids)} ids need as many scores. Received: {scores.shape}.")
    odd = [name for name in ids if not _ID.fullmatch(name)]
    odd += [] if challenge.binary else [name for name in ids if not name.isdigit()]
    if odd:
        raise ArgumentError(f"{odd[0]!r} is not the name of an object of {challenge.name}.")
    if len(set(ids)) < len(ids):
        raise ArgumentError("An object stands twice. Give each one score.")
    for value in (*([] if unscored is None else [unscored]), threshold):
        if not 0 <= value <= 1:
            raise ArgumentError(f"A score is a probability, 0 to 1. Received: {value}.")
    missing = int(np.isnan(scores).sum())
    if np.any((scores < 0) | (scores > 1)):
        raise ArgumentError(f"Scores are probabilities, 0 to 1. Received: {np.nanmax(scores)}.")
    if missing and unscored is None:
        raise ArgumentError(
            f"{missing} of {len(ids)} objects have no score. Say what to submit for them, e.g. "
            "unscored=0 (--unscored 0).",
            missing=missing,
        )


def _write_lines(path, lines):
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda place: Path(place).write_text(text, encoding="utf-8"))


def labels_of(challenge, ids, *, paths=None, catalogue=None) -> np.ndarray:
    """What the objects of a scored list are, by the rule that `challenge_shards` goes by.

    Parameters
    ----------
    challenge : str or Challenge
        Which one.
    ids : sequence of str
        Names of the objects; in the LSST challenge they say what an object is.
    paths : sequence of path-like or None
        The file of each object; in the LSST challenge its folder says it where the name does not.
    catalogue : path-like, Table or None
        The catalogue of the other challenges.

    Returns
    -------
    array (N,) float
        1, 0, or NaN where nothing is known.

    Raises
    ------
    ArgumentError
        If there is not one path per id.
    DataFormatError
        If the catalogue is missing, or not that of the challenge, or the challenge has none.
    """
    challenge, ids = load_challenge(challenge), [str(name) for name in ids]
    paths = [None] * len(ids) if paths is None else list(paths)
    if len(paths) != len(ids):
        raise ArgumentError(f"{len(ids)} ids need as many paths. Received: {len(paths)}.")
    if challenge.label is None and catalogue is None:
        known = [label_of_name(*each) for each in zip(ids, paths, strict=True)]
        return np.array([np.nan if label is None else label for label in known], float)
    if catalogue is None:
        raise DataFormatError(f"{challenge.name} needs its catalogue, or nothing is labelled.")
    if not isinstance(catalogue, Table):
        catalogue = read_catalogue(challenge, catalogue)
    labels = dict(zip(catalogue["id"].tolist(), catalogue["label"].tolist(), strict=True))
    return np.array([labels.get(name, np.nan) for name in ids], float)
