"""Clean images: noisy blended images in, denoised and deblended ones out, and a row about each."""

from dataclasses import replace

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.predict import (
    BATCH_SIZE,
    Answers,
    Cleaner,
    Fitting,
    Rows,
    Run,
    batches,
    cutouts_of,
    listeners,
    metadata,
    page_path,
)
from lensfinder.predict.cleaned_files import CleanedFiles
from lensfinder.predict.cleaning import Fluxes
from lensfinder.predict.run import CLEAN_PAGE
from lensfinder.predict.stages import free_folder
from lensfinder.predict.tiles import TileCleaner
from lensfinder.tables import build_table, clean_message, refuse_existing, write_table

TABLE = "cleaned.ecsv"  # in the folder of the images


def clean(
    images,
    output,
    *,
    preset=None,
    denoiser=None,
    intermediate: bool = False,
    tiles: bool = False,
    ids=None,
    layout=None,
    resample: bool = False,
    fitting: Fitting | None = None,
    survey=None,
    report=True,
    batch_size: int = BATCH_SIZE,
    overwrite: bool = False,
    watch=(),
):
    """Take the noise and the lens off every image, and write what is left as FITS cutouts.

    Parameters
    ----------
    images : path, sequence of paths, iterable of Cutout, or dict of str to array (N, H, W, bands)
        Files, folders and globs; or cutouts; or arrays per group, in e-/s (the contract's unit),
        row 0 at the bottom.
    output : path
        Folder of the cleaned images, one file per object, and of the table ``cleaned.ecsv``.
    preset : str, path, OwnNetwork or None
        The network, or the folder of one, or a Keras model of your own
        (`lensfinder.predict.OwnNetwork`); the cleaner that comes with lensfinder by default.
    denoiser : str, path, OwnNetwork or None
        For a deblender that was trained on noiseless images (modular training): the network that
        makes them.
    intermediate : bool
        Whether the denoised images are written too, into ``denoised``, where there are any.
    tiles : bool
        Whether each image is a whole survey tile of the network's pixels, of any size: it is
        cleaned in overlapping pieces, without seams, and written as one image. Resampling, padding
        and mending are for stamps.
    ids : sequence of str or None
        Names of the rows, for arrays.
    layout : str, path or None
        Layout of the files, if they are not ours.
    resample : bool
        Whether images of another pixel scale are resampled (flux is conserved).
    fitting : Fitting or None
        What else is done to make images of other surveys fit (`lensfinder.predict.Fitting`).
    survey : Survey, str or None
        Whose zero points are written into the files; the preset's by default.
    report : bool or path
        Whether a page is written beside the table (``cleaned.report.html``), or its own place. Of
        a tile it shows a smaller view.
    batch_size : int
        Objects per step; the images do not depend on it.
    overwrite : bool
        Whether existing files may be replaced.
    watch : sequence of Listener
        Who else follows the run, e.g. a progress bar.

    Returns
    -------
    astropy.table.Table
        One row per image, in their order, equal ids included: ``id``, ``file``, per band
        ``flux_in``, ``flux_denoised`` where there is such an image, and ``flux_out`` (sums over the
        stamp), then ``status`` and ``message``. A row that is not ``ok`` has no file, and no
        numbers: beside the faults of the image itself, a core that is cut off at full well
        (``saturated``), and a cleaned image with light that the given one has not got
        (``invented_light``). Of a tile, such pixels are NaN, as bad ones; ``masked`` is their
        share, and they are in no sum.

    Raises
    ------
    OutputExistsError
        If the folder holds files already; before anything is computed.
    UnknownNameError, PresetError, UntrustedArtefactError
        If a preset is not there, is for another task, or not what it should be; or there is none.
    ArgumentError
        If the images are of an unknown kind, or tiles should be resampled.
    ArchitectureError
        If tiles are given to a network that is not made of convolutions alone.
    InputContractError
        If arrays do not fit the preset's contract.
    """
    if tiles and (resample or ids is not None):
        raise ArgumentError("Tiles are cleaned as they are. Resample them before.")
    place = free_folder(output, overwrite)
    page = page_path(report, place / TABLE)
    if page is not None:
        refuse_existing(page, overwrite)
    fitting = fitting or Fitting()
    steps = Cleaner(preset, denoiser=denoiser, batch_size=batch_size)
    files = CleanedFiles(place, steps, survey=survey, intermediate=intermediate)
    network, bands = steps.network, fitting.bands_of(steps.contract)
    source = cutouts_of(images, steps.contract, ids=ids, layout=layout, bands=bands)
    place.mkdir(parents=True, exist_ok=True)
    following = listeners(watch, page, kind=CLEAN_PAGE)
    first_network = None if denoiser is None else steps.first
    for listener in following:
        listener.start(Run("clean", network, denoiser=first_network))

    rows, names = Rows(), []
    fluxes = Fluxes(steps.contract.bands, denoised="S2" in steps.planes and len(steps.planes) > 1)
    if tiles:
        how = {"survey": files.survey, "intermediate": intermediate, "overwrite": overwrite}
        group = steps.contract.groups[0].name
        parts = _tiles(source, group, TileCleaner(steps, place, fitting=fitting, **how))
    else:
        how = {"resample": resample, "fitting": fitting}
        parts = _stamps(batches(source, network.batch_size), steps, files, fluxes, overwrite, how)
    for chunk, answers, numbers, written in parts:
        names += written
        first = rows.add(chunk, replace(answers, images={}, values=numbers))
        for listener in following:
            listener.batch(first, chunk, answers)

    common, values = rows.columns(len(fluxes.names))
    columns = {"id": common["id"], "file": names}
    columns.update(zip(fluxes.names, values.T, strict=True))
    if tiles:
        columns["masked"] = rows.numbers("masked")
    columns.update(status=common["status"], message=common["message"])
    options = {
        "output": place,
        "preset": preset,
        "denoiser": denoiser,
        "intermediate": intermediate,
        "tiles": tiles,
        "layout": layout,
        "resample": resample,
        **fitting.options(),
        "batch_size": None if batch_size == BATCH_SIZE else batch_size,
    }
    meta = metadata("clean", network, images, options, columns)
    meta |= {"planes": list(steps.planes), "flux_conservation": fluxes.conservation(values)}
    table = build_table(columns, meta)
    write_table(table, place / TABLE, overwrite=overwrite)
    for listener in following:
        listener.finish(table)
    return table


def _stamps(chunks, steps, files, fluxes, overwrite, how):
    """Batches of stamps: objects, answers, fluxes and names of files."""
    for chunk in chunks:
        answers = steps(chunk, **how)
        ((_, given),) = answers.images.items()
        written = files.write(chunk, answers, overwrite=overwrite)
        yield chunk, answers, fluxes.of(given, answers), written


def _tiles(source, group, tile_cleaner):
    """The same, tile by tile; of its images there is a small view, the whole is in its file."""
    for cutout in source:
        tile = tile_cleaner(cutout)
        message = clean_message(tile.message)
        extra = {"masked": np.array([tile.masked], np.float32), "square": np.array([tile.square])}
        numbers = tile.fluxes[None]
        given = {} if tile.view is None else {group: tile.view[:1]}
        made = numbers if tile.view is None else tile.view[None, 1:]
        answers = Answers(given, made, np.array([tile.status]), [message], extra)
        yield [cutout], answers, numbers, [tile.file]
