"""Measure a preset on fresh mocks or on labelled images: ``evaluate``, ``lensfinder evaluate``."""

import pkgutil
from pathlib import Path

import numpy as np

from lensfinder.errors import ArgumentError, PresetError, UnknownNameError
from lensfinder.predict import Chain, Network, OwnNetwork
from lensfinder.predict.cleaner import default_cleaner
from lensfinder.predict.labelled import read_labels, score_labelled
from lensfinder.predict.stages import stages
from lensfinder.training.assessment import Assessment, assess
from lensfinder.training.auditing import score_solutions
from lensfinder.training.evaluation import TEST_SEED, MockSample, Scored, measure, score_mocks
from lensfinder.training.products import refuse_taken, write_folder
from lensfinder.training.recipe_data import DRAWN
from lensfinder.zoo import Preset, fixed_predict, open_preset

DRAW = "lensfinder.report:draw_assessment"  # by name: figures live a floor above
MOCKS = 10_000


def evaluate(
    preset,
    n: int | None = None,
    *,
    seed: int = TEST_SEED,
    start: int = 0,
    population=None,
    survey=None,
    images=None,
    labels=None,
    pairs=None,
    clean=None,
    layout=None,
    resample: bool = False,
    fitting=None,
    threshold: float | None = None,
    out=None,
    table: str = "ecsv",
    overwrite: bool = False,
    note=None,
) -> dict:
    """Figures of a preset on mocks that it was not trained on, or on images with labels.

    Parameters
    ----------
    preset : str, Path or Preset
        Name of a preset, folder of one, or an open preset.
    n : int or None
        Number of mocks; 10,000 by default. Of an auditor number of lenses, of which each gives
        three reconstructions; 300 by default, for it takes about half a second to invert one.
    seed : int
        Seed of the simulator, whose default is that of no training, and of the error bars.
    start : int
        Number of the first mock of that seed.
    population, survey : str, Path or None
        Names or YAML files of the mocks; by default those that the preset was measured on.
    images : path, sequence of paths, iterable of Cutout, or dict of str to array (N, H, W, bands)
        Labelled images in place of mocks, as in `lensfinder.find`.
    labels : str or Path or None
        Their table, with the column ``id`` and ``label`` (1 or 0), for a modeller with the true
        parameters; other columns of the registry (``class``, ``theta_E``, ``snr``, ...) are used
        where they are. Goes with `images`.
    pairs : str, Path or None
        Of an auditor: stored pairs of reconstructions (`lensfinder.training.reconstructions`) in
        place of new ones; of those that it was trained with, the lenses that were kept apart.
    clean : None, bool, str, path or OwnNetwork
        The cleaner before the network, as in `lensfinder.find`; of mocks, a preset. By default
        mocks are cleaned if those that the preset was measured on were, and images are not. With
        False nothing is cleaned: mocks are shown in the plane that the network was trained on.
        Images that the cleaner refuses have no answer, as in `find`; mocks all have one.
    layout, resample, fitting : str, bool, Fitting
        How the images are made to fit, as in `lensfinder.find`.
    threshold : float or None
        From which ``p_lens`` on a lens counts as found in the selection function; by default
        where 1 % of the non-lenses pass.
    out : str, Path or None
        Folder for ``metrics.json``, the table of all objects, the selection function, the detection
        limit and the figures. All of it is written, or nothing.
    table : {"ecsv", "parquet", "fits", "csv"}
        Format of the table of all objects.
    overwrite : bool
        Whether existing files may be replaced.
    note : callable or None
        Told the number of mocks done.

    Returns
    -------
    dict
        Plain data: see `lensfinder.training.assessment.assess`.

    Raises
    ------
    UnknownNameError
        If preset, survey or population is unknown.
    PresetError
        If the preset does not say which population it is for, and none is given; or a cleaner does
        not go with it.
    ArgumentError
        If images come without labels or labels without images, mocks are asked for beside them or
        fewer than one, or something is given that does not go with the preset's task.
    DataFormatError
        If the table of labels is not one, or no table is written in the format.
    InputContractError
        If the survey's images are not what the preset takes.
    MetricError
        If one class only is present.
    OutputExistsError
        If a file in `out` exists already; before anything is computed.
    """
    preset = preset if isinstance(preset, Preset) else open_preset(preset)
    place = None if out is None else Path(out)
    if n is not None and n < 1:
        raise ArgumentError(f"Something must be measured on. Received: n={n}. Ask for 1 or more.")
    if pairs is not None and preset.task != "auditor":
        raise ArgumentError(
            f"{preset.name} is a {preset.task}: pairs are an auditor's. Leave them."
        )
    if preset.task == "cleaner":
        if clean or any(given is not None for given in (images, labels, out)):
            raise ArgumentError(
                "A cleaner is measured on mocks, whose true images are known, and its figures are "
                "numbers alone. Leave images, labels, the output and another cleaner away."
            )
        sample = _mocks(preset, n or MOCKS, seed, start, population, survey)
        predict = fixed_predict(preset.load())
        terms = {"contract": preset.contract, "task": preset.task, "targets": preset.targets}
        return {"preset": preset.name, **measure(predict, sample, note=note, **terms)}
    if place is not None:
        refuse_taken(place, preset.task, table=table, overwrite=overwrite)
    if preset.task == "auditor":
        fitted = {"population": population, "survey": survey, "images": images, "labels": labels}
        fitted |= {"layout": layout, "resample": resample, "fitting": fitting}
        fitted |= {"threshold": threshold, "clean": clean}
        _refuse(fitted, "An auditor is measured on reconstructions")
        if pairs is not None:
            _refuse({"n": n, "start": start}, "Stored pairs are taken as they are")
        scored = score_solutions(preset, n, seed=seed, start=start, folder=pairs, note=note)
    elif images is None and labels is None:
        fitted = {"layout": layout, "resample": resample, "fitting": fitting}
        if odd := [name for name, value in fitted.items() if value]:
            raise ArgumentError(f"{', '.join(odd)}: mocks fit as they are. Give images and labels.")
        sample = _mocks(preset, n or MOCKS, seed, start, population, survey, clean)
        predict = fixed_predict(preset.load())
        scored = score_mocks(predict, sample, contract=preset.contract, note=note)
    else:
        if images is None or labels is None:
            raise ArgumentError("Images and labels go together. Give both, or neither for mocks.")
        if n is not None or start or population is not None or survey is not None:
            raise ArgumentError(
                "The number, population and survey are those of mocks. Leave them away with images."
            )
        required = ("label",) if preset.task == "finder" else preset.targets
        truth = read_labels(labels, required=required)
        network = Network(preset.folder if not preset.pinned else preset.name, preset.task)
        cleaner, _ = stages(clean, batch_size=network.batch_size)
        if cleaner is not None:
            network = Chain(network, cleaner=cleaner)
        scored = score_labelled(
            network, images, truth, layout=layout, resample=resample, fitting=fitting
        )
        scored.data["labels"] = Path(labels).name
        if isinstance(network, Chain):
            scored.data["cleaner"] = network.cleaner.network.preset.name
    found = _assessed(preset, scored, seed, threshold)
    if place is not None:
        draw = pkgutil.resolve_name(DRAW)
        write_folder(place, found, table=table, overwrite=overwrite, draw=draw)
    return found.figures


def _refuse(given, why) -> None:
    if odd := [name for name, value in given.items() if value]:
        raise ArgumentError(f"{', '.join(odd)}: {why}. Leave that away.")


def _mocks(preset, n, seed, start, population, survey, clean=None) -> MockSample:
    measured_on = preset.metrics.get("data", {})
    if clean is None:
        clean = _same_cleaner(preset, measured_on)
    elif isinstance(clean, OwnNetwork):
        raise ArgumentError(
            "Mocks are cleaned by a preset. Save yours as one, and give its folder."
        )
    population = population or measured_on.get("population")
    if population is None:
        raise PresetError(
            f"{preset.name} does not say which population it was measured on. Give one "
            "(population=..., --population)."
        )
    return MockSample(
        str(survey or preset.contract.survey),
        str(population),
        n,
        seed,
        start,
        **{name: measured_on.get(name, default) for name, default in DRAWN.items()},
        plane=preset.config.plane,
        cleaner=None if not clean else default_cleaner() if clean is True else str(clean),
    )


def _same_cleaner(preset, measured_on) -> str | None:
    """The cleaner of the figures that a preset has, if it still is the one of then."""
    name = measured_on.get("cleaner")
    if name is None:
        return None
    hint = "Name the one that is to be before it (clean=, --clean)."
    try:
        found = open_preset(name).fingerprint
    except UnknownNameError as error:
        raise PresetError(
            f"{preset.name} was measured behind the cleaner {name}, which is not here. {hint}"
        ) from error
    if found != measured_on.get("cleaner_sha256"):
        raise PresetError(
            f"{preset.name} was measured behind the cleaner {name}, whose weights are others now. "
            f"{hint}"
        )
    return name


def _assessed(preset, scored: Scored, seed, threshold) -> Assessment:
    return assess(
        scored,
        preset=preset.name,
        task=preset.task,
        targets=preset.targets,
        rng=np.random.default_rng(seed),
        threshold=threshold,
    )
