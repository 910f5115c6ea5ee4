"""Clean images: noisy blended images in, denoised and deblended ones out, and a row about each."""

from pathlib import Path

import numpy as np

from lensfinder.data import write_cutouts
from lensfinder.errors import STATUS, OutputExistsError, PresetError
from lensfinder.predict import (
    BATCH_SIZE,
    Answers,
    Fitting,
    Network,
    Rows,
    Run,
    batches,
    cutouts_of,
    listeners,
    metadata,
)
from lensfinder.predict.cleaning import FileNames, Fluxes, doubts
from lensfinder.specs import load_survey
from lensfinder.tables import build_table, write_table
from lensfinder.zoo import fixed_predict
from lensfinder.zoo.presets import preset_table

TABLE = "cleaned.ecsv"  # in the folder of the images
DENOISED = "denoised"  # folder of what `intermediate` adds


def clean(
    images,
    output,
    *,
    preset=None,
    denoiser=None,
    intermediate: bool = False,
    ids=None,
    layout=None,
    resample: bool = False,
    fitting: Fitting | None = None,
    survey=None,
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
    preset : str, path or None
        The network, or the folder of one; the first cleaner that comes with lensfinder by default.
    denoiser : str, path or None
        For a deblender that was trained on noiseless images (modular training): the network that
        makes them.
    intermediate : bool
        Whether the denoised images are written too, into ``denoised``, where there are any.
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
        (``invented_light``).

    Raises
    ------
    OutputExistsError
        If the folder holds files already; before anything is computed.
    UnknownNameError, PresetError, UntrustedArtefactError
        If a preset is not there, is for another task, or not what it should be; or there is none.
    ArgumentError
        If the images are of an unknown kind.
    InputContractError
        If arrays do not fit the preset's contract.
    """
    place = _free(Path(output), overwrite)
    fitting = fitting or Fitting()
    network = Network(preset or _default_preset(), "cleaner", batch_size=batch_size)
    steps = _Steps(network, denoiser, batch_size)
    survey = _survey_of(network.contract, survey)
    source = cutouts_of(
        images, network.contract, ids=ids, layout=layout, bands=fitting.bands_of(network.contract)
    )
    place.mkdir(parents=True, exist_ok=True)
    following = listeners(watch, None)
    for listener in following:
        listener.start(Run("clean", network))

    rows, names, files = Rows(), FileNames(), []
    fluxes = Fluxes(network.contract.bands, denoised="S2" in steps.planes and len(steps.planes) > 1)
    for chunk in batches(source, network.batch_size):
        answers = steps(chunk, resample=resample, fitting=fitting)
        ((group, given),) = answers.images.items()
        for row in np.flatnonzero(answers.status == 0):
            doubt, words = doubts(given[row], answers.values[row, -1])
            if doubt:
                answers.status[row] |= STATUS[doubt]
                answers.messages[row] = words
        good = np.flatnonzero(answers.status == 0)
        chosen = [names.take(chunk[row].id) for row in good]
        for number, plane in enumerate(steps.planes):
            last = number == len(steps.planes) - 1
            if last or intermediate:
                write_cutouts(
                    place if last else place / DENOISED,
                    chosen,
                    {group: answers.values[good, number]},
                    survey,
                    header={"KIND": "cleaned", "PLANE": plane, "CLEANER": str(network.preset.name)},
                    overwrite=overwrite,
                )
        written = dict(zip(good.tolist(), chosen, strict=True))
        files += [FileNames.file(written.get(row)) for row in range(len(chunk))]
        numbers = fluxes.of(given, answers)
        first = rows.add(chunk, Answers({}, numbers, answers.status, answers.messages))
        for listener in following:
            listener.batch(first, chunk, answers)

    common, values = rows.columns(len(fluxes.names))
    columns = {"id": common["id"], "file": files}
    columns.update(zip(fluxes.names, values.T, strict=True))
    columns.update(status=common["status"], message=common["message"])
    options = {
        "output": place,
        "model": preset,
        "denoiser": denoiser,
        "intermediate": intermediate,
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


class _Steps:
    """One cleaner, or a denoiser and the deblender it feeds."""

    def __init__(self, network, denoiser, batch_size):
        self.network, self.first, self.planes = network, network, network.preset.targets
        if denoiser is None:
            return
        self.first = Network(denoiser, "cleaner", batch_size=batch_size)
        self.planes = ("S2", "S3")
        found = (self.first.preset.targets, network.preset.targets)
        if found != (("S2",), ("S3",)) or self.first.contract != network.contract:
            raise PresetError(
                "A denoiser (S2) feeds a deblender (S3) that takes the same images. Received: "
                f"{found[0]} and {found[1]}. Leave the denoiser away for a network that makes both."
            )
        self._second = fixed_predict(network.keras_model, batch_size=network.batch_size)

    def __call__(self, chunk, **options):
        answers = self.first(chunk, **options)
        if self.first is self.network:
            return answers
        ((group, _),) = answers.images.items()
        bad = answers.status != 0
        shown = np.where(bad[:, None, None, None], 0.0, answers.values[:, 0])
        second = np.array(self._second({group: shown}))
        second[bad] = np.nan
        broken = ~bad & ~np.isfinite(second).all(axis=(1, 2, 3, 4))
        answers.status[broken] |= STATUS["no_score"]
        answers.values = np.concatenate([answers.values, second], axis=1)
        return answers


def _default_preset() -> str:
    found = [name for name, line in preset_table().items() if line["task"] == "cleaner"]
    if not found:
        raise PresetError(
            "No trained cleaner comes with lensfinder yet. Train one (`lensfinder train "
            "madireddy/joint-small -o runs/cleaner`), and give the folder of its preset (preset=, "
            "--model)."
        )
    return found[0]


def _free(place: Path, overwrite: bool) -> Path:
    taken = place.exists() and (not place.is_dir() or any(place.iterdir()))
    if taken and (not overwrite or not place.is_dir()):
        raise OutputExistsError(
            f"{place} holds files already. Choose another folder, or overwrite them.",
            path=str(place),
        )
    return place


def _survey_of(contract, survey):
    """The survey, with the groups and bands that the network takes."""
    survey = load_survey(contract.survey if survey is None else survey)
    groups = []
    for wanted in contract.groups:
        group = survey.group(wanted.name)
        bands = tuple(survey.band(name) for name in wanted.bands)
        groups.append(group.model_copy(update={"bands": bands, "stamp": wanted.stamp}))
    return survey.model_copy(update={"groups": tuple(groups)})
