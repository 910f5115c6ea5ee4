"""Model lenses: images in, one row of lens parameters per image out."""

import numpy as np

from lensfinder.errors import STATUS, ArgumentError
from lensfinder.lensing.ellipticity import Ellipticity
from lensfinder.lensing.shape_draws import near_angle
from lensfinder.predict import (
    BATCH_SIZE,
    DRAWS,
    Chain,
    DrawsFile,
    Fitting,
    Network,
    Readout,
    Rows,
    Run,
    batches,
    cutouts_of,
    listeners,
    metadata,
    modeller_of,
    page_path,
)
from lensfinder.predict.stages import front_columns, stage_options, stages
from lensfinder.tables import COLUMNS, build_table, check_output, refuse_existing, write_table

MODELLER = "compact-modeller/euclid-vis-posterior"


def model(
    images,
    *,
    preset=MODELLER,
    output=None,
    ids=None,
    layout=None,
    resample: bool = False,
    fitting: Fitting | None = None,
    clean=None,
    denoiser=None,
    cleaned=None,
    mask_blobs: bool = False,
    posterior=None,
    draws: int = DRAWS,
    seed: int = 0,
    report=True,
    batch_size: int = BATCH_SIZE,
    overwrite: bool = False,
    watch=(),
):
    """Predict the lens parameters of every image.

    Every image is taken to be a lens: the network answers for any galaxy. Run `find` first, or
    `find(..., model=True)`.

    Parameters
    ----------
    images : path, sequence of paths, iterable of Cutout, or dict of str to array (N, H, W, bands)
        Files, folders and globs; or cutouts; or arrays per group, in e-/s (the contract's unit),
        row 0 at the bottom.
    preset : str, path or OwnNetwork, or sequence of them
        The network, or the folder of one; or a Keras model of your own
        (`lensfinder.predict.OwnNetwork`), as for the cleaner. Of several with posteriors, such as
        those of all folds, the answers are mixed (`lensfinder.predict.Ensemble`): what they
        disagree on is then part of the spread. An ensemble has no ``unsure`` and no ``p_no_lens``.
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
    clean : None, bool, str, path or OwnNetwork
        Whether noise and lens light are taken off first, for networks that were trained on sources
        alone: True for the default cleaner, or a preset. Network and page are then shown the
        cleaned images.
    denoiser : str, path, OwnNetwork or None
        For a cleaner of noiseless images, what makes these (`lensfinder.clean`).
    cleaned : path or None
        Folder for the cleaned and the denoised images, if they are wanted.
    mask_blobs : bool
        Whether the images are cut to a circle around the source in the middle first, against
        neighbours (`lensfinder.data.blobs`).
    posterior : path or None
        An ``.npz`` for draws of every lens' posterior, from which `delays` and `export` know how
        its parameters hang together (`lensfinder.predict.DrawsFile`).
    draws : int
        How many of them, per lens.
    seed : int
        Row i draws from (seed, i).
    report : bool or path
        Whether a page is written beside the table (``<table>.report.html``), or its own place.
    batch_size : int
        Objects per step; the answers do not depend on it.
    overwrite : bool
        Whether existing files may be replaced.
    watch : sequence of Listener
        Who else follows the run, e.g. a progress bar.

    Returns
    -------
    astropy.table.Table
        One row per image, in their order: ``id``, the preset's targets (``theta_E`` in arcsec,
        ``e1``, ``e2``, ...), ``q`` and ``phi`` (rad, from +x towards +y) derived from e1 and e2,
        ``status`` and ``message``. Numbers are NaN where status is not ``ok``. A preset with
        posteriors adds for each parameter its ``_std``, ``_p16``, ``_p50`` and ``_p84``, and
        ``unsure``: 1 where a spread is larger than for 99 of 100 lenses that the preset was
        validated on, or where the network takes the image for none, as it does 1 lens in 20; the
        message says which. A preset that was taught to tell (`lensfinder.training.doubt`) adds
        ``p_no_lens``, the probability of that where half the images are lenses. Quantiles of
        ``phi`` lie about it, and so may be beyond (-pi/2, pi/2]. With
        `clean` or `mask_blobs` there is ``front_status``, which names what is doubtful about a row
        (`lensfinder.errors.FRONT_STATUS`), and of the latter ``mask_radius``.

    Raises
    ------
    OutputExistsError
        If an output exists already; before anything is computed.
    UnknownNameError, PresetError, UntrustedArtefactError
        If a preset is not there, of the wrong kind, or not what it should be, or the stages do not
        take the same images, or draws are asked of one without posteriors; before anything is
        written.
    ArgumentError
        If draws cannot be as asked.
    InputContractError
        If arrays do not fit the preset's contract.
    """
    output = None if output is None else check_output(output, overwrite=overwrite)
    page = page_path(report, output)
    if page is not None:
        refuse_existing(page, overwrite)
    network = modeller_of(preset, batch_size=batch_size)
    cleaner, files = stages(clean, denoiser, cleaned, batch_size=batch_size, overwrite=overwrite)
    if cleaner or mask_blobs:
        front = {"cleaner": cleaner, "mask_blobs": mask_blobs, "files": files}
        network = Chain(network, **front, overwrite=overwrite)
    kept = None
    if posterior is None and (draws, seed) != (DRAWS, 0):
        raise ArgumentError("draws and seed are those of the posterior. Say where to keep it.")
    if posterior is not None:
        kept = DrawsFile(posterior, network, draws=draws, seed=seed, overwrite=overwrite)
    fitting = fitting or Fitting()
    bands = fitting.bands_of(network.contract)
    source = cutouts_of(images, network.contract, ids=ids, layout=layout, bands=bands)
    following = listeners(watch, page)
    for listener in following:
        listener.start(Run("model", network))

    rows, readout = Rows(), Readout(network)
    for chunk in batches(source, network.batch_size):
        raw = network(chunk, resample=resample, fitting=fitting)
        if kept is not None:
            kept.add(raw)
        answers = readout(raw)
        first = rows.add(chunk, answers)
        for listener in following:
            listener.batch(first, chunk, answers)

    columns, values = rows.columns(len(readout.names))
    parameters, remarks = parameter_columns(readout.names, values, limits=readout.limits)
    columns = {
        "id": columns["id"],
        **parameters,
        **(front_columns(rows, 0.5) if isinstance(network, Chain) else {}),
        "status": columns["status"],
        "message": join_messages(columns["message"], remarks),
    }
    options = {
        "preset": preset,
        **stage_options(clean, denoiser, cleaned),
        "mask_blobs": mask_blobs,
        "layout": layout,
        "resample": resample,
        **fitting.options(),
        "batch_size": None if batch_size == BATCH_SIZE else batch_size,
        "posterior": posterior,
        "draws": None if posterior is None or draws == DRAWS else draws,
        "seed": None if posterior is None or seed == 0 else seed,
        "output": output,
    }
    table = build_table(columns, metadata("model", network, images, options, columns))
    if kept is not None:
        kept.write(table["id"])
    if output is not None:
        write_table(table, output, overwrite=overwrite)
    for listener in following:
        listener.finish(table)
    return table


def parameter_columns(names, values, *, limits=None) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns of a modeller's answers, with the axis ratio and angle that follow from e1 and e2.

    Parameters
    ----------
    names : sequence of str
        What the network predicts, in order, and perhaps the spreads (`Readout.names`).
    values : array (N, names)
        Its answers, in physical units; NaN where there is none.
    limits : Limits or None
        Beyond which a row is marked (`lensfinder.predict.readout`).

    Returns
    -------
    columns : dict of str to array (N,)
        The targets, q and phi if e1 and e2 are among them, the spreads, and with limits ``unsure``.
    remarks : list of str
        Per row, what is unphysical about the answer; empty if nothing is. Such numbers are kept as
        they are; a derived one that does not exist is NaN.
    """
    given = {name: values[:, i].astype(np.float32) for i, name in enumerate(names)}
    columns = {name: column for name, column in given.items() if name in COLUMNS}
    remarks = [""] * len(values)
    if "theta_E" in columns:
        for row in np.flatnonzero(columns["theta_E"] <= 0):
            remarks[row] = "the predicted Einstein radius is not positive"
    if {"e1", "e2"} <= set(columns):
        e1, e2 = columns["e1"].astype(float), columns["e2"].astype(float)
        impossible = np.hypot(e1, e2) >= 1
        exists = np.isfinite(e1 + e2) & ~impossible
        q, phi = np.full(len(values), np.nan), np.full(len(values), np.nan)
        shape = Ellipticity(e1[exists], e2[exists])
        q[exists], phi[exists] = shape.axis_ratio(), shape.position_angle()
        columns["q"], columns["phi"] = q.astype(np.float32), phi.astype(np.float32)
        for row in np.flatnonzero(impossible):
            remarks[row] = join_messages(
                [remarks[row]], ["the predicted ellipticity is beyond 1, so q and phi do not exist"]
            )[0]
    columns |= given
    turning = [name for name in ("phi_p16", "phi_p50", "phi_p84") if name in columns]
    if turning:  # `phi` is rounded: beside +-90 degrees its sign may not be that of the posterior's
        lines = near_angle(np.stack([columns[name] for name in turning]), columns["phi"])
        columns |= {
            name: line.astype(np.float32) for name, line in zip(turning, lines, strict=True)
        }
    if limits:
        columns["unsure"] = _unsure(columns, limits, remarks)
    return columns, remarks


def _unsure(columns, limits, remarks) -> np.ndarray:
    """1 where an answer is beyond a limit; says so in the remarks."""
    passed = limits.passed(columns)
    marked = np.any([found for _, found in passed], axis=0)
    for row in np.flatnonzero(marked):
        words = [words for words, found in passed if found[row]]
        remarks[row] = "; ".join(filter(None, (remarks[row], *words)))
    return marked.astype(np.int16)


def join_messages(first, second) -> list[str]:
    """Messages of the same rows in one, separated by semicolons."""
    return ["; ".join(filter(None, pair)) for pair in zip(first, second, strict=True)]


class CandidateModeller:
    """Models the candidates of a running search, a full batch at a time.

    Parameters
    ----------
    network : Network
        The modeller.
    resample : bool
        Whether images of another pixel scale are resampled.
    fitting : Fitting or None
        What else is done to make images fit.
    """

    def __init__(self, network: Network, *, resample: bool, fitting: Fitting | None = None):
        self.network, self.resample, self.fitting = network, resample, fitting
        self._readout = Readout(network)
        self._waiting, self._rows = [], []
        self._answers: dict[int, tuple[np.ndarray, int, str]] = {}

    def add(self, row: int, cutout) -> None:
        """Model one more row, now or later.

        Parameters
        ----------
        row : int
            Its number in the table.
        cutout : Cutout
            Its images.
        """
        self._rows.append(row)
        self._waiting.append(cutout)
        if len(self._waiting) == self.network.batch_size:
            self._flush()

    def columns(self, count: int) -> tuple[dict[str, np.ndarray], list[str]]:
        """Columns of a table of `count` rows, NaN where nothing was modelled.

        Parameters
        ----------
        count : int
            Rows of the table.

        Returns
        -------
        columns : dict of str to array (count,)
            ``model_status`` (empty where nothing was asked) and the parameters.
        messages : list of str
            Per row, what is wrong with the answer.
        """
        self._flush()
        names, limits = self._readout.names, self._readout.limits
        values = np.full((count, len(names)), np.nan, np.float32)
        status, messages = [""] * count, [""] * count
        for row, (answer, bits, message) in self._answers.items():
            values[row], status[row], messages[row] = answer, STATUS.decode(bits), message
        columns, remarks = parameter_columns(names, values, limits=limits)
        return {"model_status": status, **columns}, join_messages(messages, remarks)

    def _flush(self):
        if self._waiting:
            answers = self._readout(
                self.network(self._waiting, resample=self.resample, fitting=self.fitting)
            )
            for i, row in enumerate(self._rows):
                self._answers[row] = (
                    answers.values[i],
                    int(answers.status[i]),
                    answers.messages[i] and f"modelling: {answers.messages[i]}",
                )
            self._waiting, self._rows = [], []
