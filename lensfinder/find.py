"""Find lenses: images in, one row with the probability of being a lens per image out."""

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.model import MODELLER, CandidateModeller, join_messages
from lensfinder.predict import (
    BATCH_SIZE,
    Chain,
    Fitting,
    Network,
    Rows,
    Run,
    batches,
    cutouts_of,
    listeners,
    metadata,
    modeller_of,
    page_path,
)
from lensfinder.predict.prevalence import shift_to
from lensfinder.predict.rarity import Rarity
from lensfinder.predict.stages import front_columns, stage_options, stages
from lensfinder.tables import build_table, check_output, refuse_existing, write_table

FINDER = "compact-finder/euclid-vis"
THRESHOLD = 0.5


def find(
    images,
    *,
    preset=FINDER,
    output=None,
    ids=None,
    layout=None,
    resample: bool = False,
    fitting: Fitting | None = None,
    threshold: float = THRESHOLD,
    prevalence: float | None = None,
    model=None,
    clean=None,
    denoiser=None,
    cleaned=None,
    mask_blobs: bool = False,
    multi_scale: bool = False,
    report=True,
    batch_size: int = BATCH_SIZE,
    overwrite: bool = False,
    watch=(),
):
    """Score every image for being a strong gravitational lens.

    Parameters
    ----------
    images : path, sequence of paths, iterable of Cutout, or dict of str to array (N, H, W, bands)
        Files, folders and globs; or cutouts; or arrays per group, in e-/s (the contract's unit),
        row 0 at the bottom.
    preset : str, path or OwnNetwork
        The network, or the folder of one; or a Keras model of your own
        (`lensfinder.predict.OwnNetwork`), as for every stage below.
    output : path or None
        Where to write the table: ``.ecsv``, ``.fits``, ``.parquet`` or ``.csv``.
    ids : sequence of str or None
        Names of the rows, for arrays.
    layout : str, path or None
        Layout of the files, if they are not ours.
    resample : bool
        Whether images of another pixel scale are resampled (flux is conserved).
    fitting : Fitting or None
        What else is done to make images of other surveys fit (`lensfinder.predict.Fitting`).
    threshold : float
        From which ``p_lens`` on a row is a candidate: modelled, and shown with its numbers on the
        page. It does not change the scores.
    prevalence : float or None
        Lenses per image where the images come from, e.g. 0.001: ``p_lens`` is then the probability
        for so rare lenses. By default it is that for the sample the preset was calibrated on, about
        half of it lenses. The ranks are the same.
    model : None, bool, str, path, or sequence of them
        Whether candidates are modelled: True for the default preset, or the preset's name; or those
        of an ensemble (`lensfinder.predict.Ensemble`).
    clean : None, bool, str, path or OwnNetwork
        Whether noise and lens light are taken off first, for networks that were trained on sources
        alone: True for the default cleaner, or a preset. The networks and the page are then shown
        the cleaned images.
    denoiser : str, path, OwnNetwork or None
        For a cleaner of noiseless images, what makes these (`lensfinder.clean`).
    cleaned : path or None
        Folder for the cleaned and the denoised images, if they are wanted.
    mask_blobs : bool
        Whether the images are cut to a circle around the source in the middle first, against
        neighbours (`lensfinder.data.blobs`).
    multi_scale : bool
        Whether the centre of every image is scored too, enlarged by 2.2: for lenses smaller than
        those of the training. ``p_lens`` is then the larger of the two scores.
    report : bool or path
        Whether a page is written beside the table (``<table>.report.html``), or its own place.
    batch_size : int
        Objects per step; the scores do not depend on it.
    overwrite : bool
        Whether existing files may be replaced.
    watch : sequence of Listener
        Who else follows the run, e.g. a progress bar.

    Returns
    -------
    astropy.table.Table
        One row per image, in their order, equal ids included: ``id``, ``p_lens``, ``rank`` (1 is
        the highest score, 0 none), with `model` also ``model_status`` and the parameters of
        `lensfinder.model`, then ``status`` and ``message``. Numbers are NaN where status is not
        ``ok``. With `multi_scale` also ``p_lens_stamp``, ``p_lens_zoom`` and ``scale_agreement``;
        with `mask_blobs` ``mask_radius``; with either, or `clean`, ``front_status``, which names
        what is doubtful about a row that was scored (`lensfinder.errors.FRONT_STATUS`). A finder
        with a bottleneck (``vib``) says how unsure it is of the stamp itself, before any
        `prevalence`: ``entropy`` of its probability, and ``log_joint``, which is low where an image
        is unlike the training data, too.

    Raises
    ------
    OutputExistsError
        If an output exists already; before anything is computed.
    UnknownNameError, PresetError, UntrustedArtefactError
        If a preset is not there, is for another task, or not what it should be, or a prevalence is
        given for one without calibration; or the stages do not take the same images. Before
        anything is written.
    ArgumentError
        If the threshold or the prevalence is not a probability, or the images are of an unknown
        kind.
    InputContractError
        If arrays do not fit the preset's contract.
    """
    if not 0 <= threshold <= 1:
        raise ArgumentError(f"The threshold is a probability, 0 to 1. Received: {threshold}.")
    output = None if output is None else check_output(output, overwrite=overwrite)
    page = page_path(report, output)
    if page is not None:
        refuse_existing(page, overwrite)
    fitting = fitting or Fitting()
    network = Network(preset, "finder", batch_size=batch_size)
    posterior = shift_to(network, prevalence)
    modeller_name = MODELLER if model is True else model
    asked = modeller_name is not None and modeller_name is not False
    modeller = modeller_of(modeller_name, batch_size=batch_size) if asked else None
    cleaner, files = stages(clean, denoiser, cleaned, batch_size=batch_size, overwrite=overwrite)
    front = {"cleaner": cleaner, "mask_blobs": mask_blobs}
    if cleaner or mask_blobs or multi_scale:
        finder = {"multi_scale": multi_scale, "files": files, "overwrite": overwrite}
        network = Chain(network, **front, **finder)
        modeller = modeller and Chain(modeller, **front)
    candidates = modeller and CandidateModeller(modeller, resample=resample, fitting=fitting)
    contracts = [each.contract for each in (network, modeller) if each]
    bands = fitting.bands_of(*contracts)
    source = cutouts_of(images, network.contract, ids=ids, layout=layout, bands=bands)
    following = listeners(watch, page)
    for listener in following:
        listener.start(Run("find", network, modeller, threshold))

    rows, rarity = Rows(), Rarity.of(network.keras_model)
    for chunk in batches(source, network.batch_size):
        answers = network(chunk, resample=resample, fitting=fitting)
        if rarity:
            answers.extra |= rarity.doubts(answers)
        answers = posterior(answers)
        first = rows.add(chunk, answers)
        if candidates:
            for i in np.flatnonzero(answers.values[:, 0] >= threshold):  # NaN compares false
                candidates.add(first + int(i), chunk[i])
        for listener in following:
            listener.batch(first, chunk, answers)

    common, values = rows.columns(1)
    scores = values[:, 0]
    columns = {"id": common["id"], "p_lens": scores, "rank": ranks(scores)}
    if rarity:
        columns |= {name: rows.numbers(name) for name in ("entropy", "log_joint")}
    if isinstance(network, Chain):
        columns |= front_columns(rows, threshold)
    messages = common["message"]
    if candidates:
        parameters, remarks = candidates.columns(len(scores))
        columns.update(parameters)
        messages = join_messages(messages, remarks)
    columns.update(status=common["status"], message=messages)
    options = {
        "preset": preset,
        "threshold": threshold,
        "prevalence": prevalence,
        "model": model is True,
        "modeller": None if isinstance(model, bool) else model,
        **stage_options(clean, denoiser, cleaned),
        "mask_blobs": mask_blobs,
        "multi_scale": multi_scale,
        "layout": layout,
        "resample": resample,
        **fitting.options(),
        "batch_size": None if batch_size == BATCH_SIZE else batch_size,
        "output": output,
    }
    meta = metadata("find", network, images, options, columns)
    meta["threshold"] = float(threshold)
    if modeller:
        meta["modeller"] = modeller.facts()
    table = build_table(columns, meta)
    if output is not None:
        write_table(table, output, overwrite=overwrite)
    for listener in following:
        listener.finish(table)
    return table


def ranks(scores) -> np.ndarray:
    """Place of every score in the order from the highest; equal scores keep the order of the rows.

    Parameters
    ----------
    scores : array (N,)
        Scores, NaN for none.

    Returns
    -------
    array (N,) of int32
        1 for the highest score, 0 for rows without one.
    """
    scores = np.asarray(scores)
    scored = np.flatnonzero(np.isfinite(scores))
    order = scored[np.argsort(-scores[scored], kind="stable")]
    result = np.zeros(len(scores), np.int32)
    result[order] = np.arange(1, len(order) + 1)
    return result
