"""The verb: images in; a table, importance maps and a page out."""

import pkgutil
from pathlib import Path
from typing import Protocol

import numpy as np
from astropy.io import fits

from lensfinder.errors import ArgumentError, OutputExistsError
from lensfinder.explain.background import Fill
from lensfinder.explain.explanation import SIDES, TOP, Explanation
from lensfinder.explain.local_linear import SAMPLES
from lensfinder.explain.methods import METHODS, SEEDS, Explainer, method_of
from lensfinder.explain.regions import REGIONS
from lensfinder.find import FINDER
from lensfinder.predict import (
    BATCH_SIZE,
    Chain,
    Fitting,
    Network,
    Rows,
    batches,
    cutouts_of,
    metadata,
)
from lensfinder.predict.stages import stage_options, stages
from lensfinder.tables import (
    build_table,
    check_output,
    refuse_existing,
    write_atomically,
    write_table,
)

TABLE, PAGE, MAPS, FIGURES = "explanations.ecsv", "report.html", "maps", "figures"
PAGE_CLASS = "lensfinder.report:ExplainPage"  # by name: the page lives a floor above
CHUNK = 16  # objects read at once; each is scored thousands of times, so reading costs nothing


class Watcher(Protocol):
    """Something that follows the explanations: a page, a count on the screen."""

    def start(self, network: Network, method: str) -> None:
        """The run begins."""

    def explained(self, row: int, cutout, images, p_lens: float, explanation: Explanation) -> None:
        """One object has been explained; `images` is what the network was shown."""

    def finish(self, table) -> None:
        """The table is complete."""


def explain(
    images,
    *,
    method: str = "lime",
    preset=FINDER,
    output=None,
    ids=None,
    layout=None,
    resample: bool = False,
    fitting: Fitting | None = None,
    samples: int = SAMPLES,
    regions: int = REGIONS,
    seeds: int = SEEDS,
    seed: int = 0,
    fill: str | None = None,
    check: bool = True,
    clean=None,
    report: bool = True,
    batch_size: int = BATCH_SIZE,
    overwrite: bool = False,
    watch=(),
):
    """Say which regions of the sky speak for a lens in the eyes of a finder, and which against.

    Parameters
    ----------
    images : path, sequence of paths, iterable of Cutout, or dict of str to array (N, H, W, bands)
        As in `lensfinder.find`.
    method : {"lime", "occlusion", "gradients"}
        LIME on superpixels of the sky (Bom et al. 2022, figure 9); a sliding patch; integrated
        gradients.
    preset : str or path
        The finder, or the folder of one; any number of groups.
    output : path or None
        Folder for ``explanations.ecsv``, ``maps/`` (a FITS file per image with the importance per
        group and on the sky, and the regions) and ``report.html``.
    ids : sequence of str or None
        Names of the rows, for arrays.
    layout : str, path or None
        Layout of the files, if they are not ours.
    resample : bool
        Whether images of another pixel scale are resampled (flux is conserved).
    fitting : Fitting or None
        What else is done to make images of other surveys fit.
    samples : int
        Perturbed objects per seed; largest number of patches of the occlusion.
    regions : int
        How many regions to aim at.
    seeds : int
        With how many seeds each image is explained; weights are their means.
    seed : int
        The first seed.
    fill : {"galaxy", "sky"} or None
        What is put where a region is off: a smooth galaxy, or bare sky; by default a galaxy, and
        sky in cleaned images, which have no galaxy.
    check : bool
        Whether the other methods are run too, to compare the regions' weights.
    clean : None, bool, str, path or OwnNetwork
        For a finder of cleaned images, as in `lensfinder.find`. Explained is what it sees in the
        cleaned image, not what the cleaner sees in the noisy one.
    report : bool
        Whether a page is written into the folder.
    batch_size : int
        Objects per step; the result does not depend on it.
    overwrite : bool
        Whether existing files may be replaced.
    watch : sequence of Watcher
        Who else follows the run.

    Returns
    -------
    astropy.table.Table
        One row per image, in their order: ``id``, ``p_lens``, the two most important regions for a
        lens (``lens1``, ``lens2``) and against (``against1``, ``against2``) with weight, area and
        place, their ``stability_``, the fit, the agreement with other methods, ``status``,
        ``message``. A region that is not there has the number 0 and NaN.

    Raises
    ------
    OutputExistsError
        If an output exists already; before anything is computed.
    UnknownNameError, PresetError, UntrustedArtefactError
        If method or preset is not there, the preset is no finder, or the cleaner does not go with
        it.
    ArgumentError
        If a number cannot be.
    InputContractError
        If arrays do not fit the preset's contract.
    """
    method_of(method)
    if int(seeds) != seeds or seeds < 1 or seed < 0:
        raise ArgumentError(f"Give at least one seed, from 0. Received: {seeds} from {seed}.")
    fitting = fitting or Fitting()
    network = Network(preset, "finder", batch_size=batch_size)
    cleaner, _ = stages(clean, batch_size=batch_size)
    if fill is None:
        fill = Fill.SKY if network.plane == "S3" or cleaner is not None else Fill.GALAXY
    if cleaner is not None:
        network = Chain(network, cleaner=cleaner)
    folder = None if output is None else _folder(output, report, overwrite)
    explainer = Explainer(
        network.keras_model,
        network.contract,
        samples=samples,
        regions=regions,
        fill=fill,
        batch_size=batch_size,
    )
    bands = fitting.bands_of(network.contract)
    source = cutouts_of(images, network.contract, ids=ids, layout=layout, bands=bands)
    if folder is not None:
        _clear(folder)
    page = folder is not None and report
    following = [*watch, *([pkgutil.resolve_name(PAGE_CLASS)(folder / PAGE)] if page else [])]
    for watcher in following:
        watcher.start(network, method)

    rows, records = Rows(), []
    for chunk in batches(source, CHUNK):
        answers = network(chunk, resample=resample, fitting=fitting)
        first = rows.add(chunk, answers)
        for i, cutout in enumerate(chunk):
            if answers.status[i]:
                records.append(_record(None, method))
                continue
            seen = {name: stack[i] for name, stack in answers.images.items()}
            explanation = explainer(
                seen, method=method, seeds=seeds, seed=seed, compare=METHODS if check else ()
            )
            records.append(_record(explanation, method))
            if folder is not None:
                write_maps(folder / MAPS / f"{first + i:05d}.fits", explanation, name=cutout.id)
            for watcher in following:
                watcher.explained(first + i, cutout, seen, float(answers.values[i, 0]), explanation)

    common, values = rows.columns(1)
    columns = {"id": common["id"], "p_lens": values[:, 0]}
    columns |= {name: [record[name] for record in records] for name in _record(None, method)}
    columns |= {"status": common["status"], "message": common["message"]}
    options = {
        "method": method,
        "preset": preset,
        "layout": layout,
        "resample": resample,
        **fitting.options(),
        "samples": samples,
        "regions": regions,
        "seeds": seeds,
        "seed": seed,
        "fill": str(fill),
        "no_check": not check,
        **stage_options(clean),
        "output": output,
    }
    meta = metadata("explain", network, images, options, columns)
    meta["settings"] = {
        "method": method,
        "samples": samples,
        "regions": regions,
        "seeds": seeds,
        "seed": seed,
        "fill": str(fill),
    }
    table = build_table(columns, meta)
    if folder is not None:
        write_table(table, folder / TABLE, overwrite=overwrite)
    for watcher in following:
        watcher.finish(table)
    return table


def write_maps(path, explanation: Explanation, *, name: str) -> Path:
    """Write the importance maps of one object.

    Parameters
    ----------
    path : pathlib.Path
        FITS file; folders above it are made, and an existing file is replaced.
    explanation : Explanation
        What to write.
    name : str
        The object.

    Returns
    -------
    pathlib.Path
        The file: an image per group and ``SKY`` (change of p_lens per arcsec^2), ``REGIONS`` (their
        numbers, as in the table) and ``WEIGHTS`` (their change of p_lens).
    """
    sky = explanation.regions.sky
    scales = {group.name: group.pixel_scale for group in sky.contract.groups}
    images = {**explanation.maps(), "SKY": explanation.density}
    images["WEIGHTS"] = explanation.regions.paint(explanation.weights)
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = name.encode("ascii", "replace").decode().replace("\n", " ")[:60]
    parts = [primary]
    for key, image in images.items():
        header = {"PIXSCALE": scales.get(key, sky.scale)}
        header["BUNIT"] = "" if key == "WEIGHTS" else "arcsec-2"
        parts.append(fits.ImageHDU(image.astype(np.float32), fits.Header(header), name=key))
    parts.append(fits.ImageHDU(explanation.regions.labels.astype(np.int16), name="REGIONS"))
    parts[-1].header["PIXSCALE"] = sky.scale
    write_atomically(path, lambda place: fits.HDUList(parts).writeto(place, overwrite=True))
    return path


def _folder(output, report, overwrite) -> Path:
    """The folder to write into; what is in the way is found before anything is computed."""
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{folder} is a file. Give the name of a folder.", path=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    check_output(folder / TABLE, overwrite=overwrite)
    if report:
        refuse_existing(folder / PAGE, overwrite)
    if (folder / MAPS).exists() and not overwrite:
        raise OutputExistsError(
            f"{folder / MAPS} exists. Choose another folder, or overwrite with --overwrite.",
            path=str(folder / MAPS),
        )
    return folder


def _clear(folder) -> None:
    """Remove the maps and figures of an earlier run: they would pass for this one's."""
    for file in (*(folder / MAPS).glob("[0-9]*.fits"), *(folder / FIGURES).glob("[0-9]*.png")):
        file.unlink()


def _record(explanation: Explanation | None, method: str) -> dict:
    """The columns of one row between p_lens and status; NaN and 0 where there is no explanation."""
    nan = np.float32("nan")
    record = {"n_regions": 0 if explanation is None else explanation.regions.count}
    for side in SIDES:
        top = [] if explanation is None else explanation.top(side)
        for place in range(TOP):
            name = f"{side}{place + 1}"
            region = top[place] if place < len(top) else None
            values = (0, nan, nan, nan, nan)
            if region is not None:
                regions = explanation.regions
                x, y = regions.centres[region]
                weight = explanation.weights[region]
                numbers = np.float32([weight, regions.areas[region], x, y])
                values = (region + 1, *numbers)
            names = (name, f"{name}_weight", f"{name}_area", f"{name}_x", f"{name}_y")
            record |= dict(zip(names, values, strict=True))
        stability = nan if explanation is None else explanation.stability(side)
        record[f"stability_{side}"] = np.float32(stability)
    for name in ("fit_r2", "completeness"):
        record[name] = np.float32(nan if explanation is None else getattr(explanation, name))
    checks = {} if explanation is None else explanation.checks
    for name in METHODS:
        if name != method:
            for kind in ("rank", "shared"):
                record[f"{kind}_{name}"] = np.float32(checks.get(f"{kind}_{name}", nan))
    return record
