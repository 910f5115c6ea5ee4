"""The verb: lenses in; fits, verdicts and restarts out, until a reconstruction is correct."""

import datetime
import pkgutil
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from lensfinder.audit.classifiers import PRESET, Classifier, classifier_of
from lensfinder.audit.inputs import Reading, candidates
from lensfinder.audit.loop import ROUNDS, Procedure, audit_lens
from lensfinder.audit.record import History, Round
from lensfinder.audit.rows import NO_FIT, NO_LENS, lens_row, round_row, table_of
from lensfinder.errors import OutputExistsError
from lensfinder.fit.inputs import check_rings
from lensfinder.fit.priors import priors_of
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.relation import DEFAULT, SOLUTIONS, load_relation
from lensfinder.predict.run import command_line
from lensfinder.specs import validate
from lensfinder.tables import check_output, refuse_existing, write_table

PAGE_CLASS = "lensfinder.report:AuditPage"  # by name: the page lives a floor above


@dataclass(frozen=True)
class Places:
    """The files of a run, named after its table.

    Attributes
    ----------
    table, history, page : pathlib.Path
        One row per lens, one row per fit, and the report.
    rounds : pathlib.Path
        Folder with a folder per lens.
    """

    table: Path
    history: Path
    page: Path
    rounds: Path

    @classmethod
    def of(cls, output) -> "Places":
        """Places beside a table."""
        table = Path(output)
        return cls(
            table,
            table.with_suffix(f".history{table.suffix}"),
            table.with_suffix(".report.html"),
            table.with_suffix(".rounds"),
        )

    def lens(self, row: int) -> Path:
        """Folder of a lens, by its number in the run."""
        return self.rounds / f"{row:05d}"


class Watcher(Protocol):
    """Something that follows an audit: a page, a count on the screen."""

    def start(self, classifier: Classifier, places: Places | None) -> None:
        """The run begins."""

    def fitted(self, row: int, identity: str, record: Round, fit, images) -> None:
        """A round is complete, and about to be kept; `images` is what the classifier was shown."""

    def audited(self, row: int, identity: str, history: History | None, message: str) -> None:
        """A lens is done."""

    def given(self, row: int, reconstruction, images, columns: dict) -> None:
        """A reconstruction made elsewhere has been called; `columns` is its row."""

    def finish(self, table) -> None:
        """The table is complete."""


def audit(
    images,
    *,
    output=None,
    classifier=PRESET,
    prior: MassPrior | str | Path | None = None,
    parameters=None,
    sigma=None,
    rounds: int = ROUNDS,
    relation=DEFAULT,
    fitting: Mapping | None = None,
    seed: int = 0,
    reading: Reading | None = None,
    report: bool = True,
    overwrite: bool = False,
    watch=(),
):
    """Fit lenses by source inversion, and start again wherever the source is not the true one.

    The loop of Maresca, Dye & Li (2021), section 3.5. An audit that was interrupted goes on when it
    is started again with the same arguments, and ends in the same tables.

    Parameters
    ----------
    images : path, sequence of paths, or iterable of Cutout
        Lenses, row 0 at the bottom.
    output : path or None
        Where to write the table; beside it ``.history`` (a row per fit), ``.rounds`` (a folder with
        what is kept of each lens) and ``.report.html``.
    classifier : str, path or callable
        A preset that tells reconstructions apart; ``"parity"`` for the parity of the light; or a
        function from {``source``, ``residual``: (N, 64, 64, 1)} to (N, 3).
    prior : MassPrior, path or None
        Priors of the first fit of every lens, or a YAML file of them; wide ones when None.
    parameters : astropy.table.Table, path or None
        What a modelling network says, as `lensfinder.model` writes it: the prior of the first fit,
        by id. A lens that it lacks is not fitted (``no_prior``).
    sigma : mapping of str to float or None
        Standard deviations where `parameters` has none.
    rounds : int
        Most refits after the first fit.
    relation : str or Relation
        Where unphysical solutions lie: ``"lensfinder"`` or ``"maresca2021"``.
    fitting : mapping or None
        ``method``, ``lens_light``, ``light_profile``, ``shear``, ``power_law`` and ``tolerance``,
        as `lensfinder.fit.fit_lens` takes them.
    seed : int
        Round k of lens i draws from (seed, i, k).
    reading : Reading or None
        Band and layout of the images, and what their files do not say.
    report : bool
        Whether a page is written.
    overwrite : bool
        Whether existing files may be replaced, the rounds of an earlier audit with them.
    watch : sequence of Watcher
        Who else follows the run.

    Returns
    -------
    astropy.table.Table
        One row per image: ``verdict`` and its probabilities, ``needs_a_person``, the mass with
        errors, the proposed restart. Its metadata count the verdicts after each round.

    Raises
    ------
    OutputExistsError
        If an output exists already; before anything is computed.
    PresetError, UnknownNameError
        If classifier or relation is not there.
    ArgumentError, SpecError
        If images, parameters or terms of the fits cannot be used.
    CheckpointError
        If the folder of rounds belongs to another audit, or to another version of the fit.
    """
    places = None if output is None else places_of(output, report, overwrite)
    reading = reading or Reading()
    called = classifier_of(classifier)
    terms = {"rounds": rounds, "relation": load_relation(relation), "seed": seed}
    procedure = validate(Procedure, {**terms, **(fitting or {})}, "an audit")
    check_rings(reading.rings)
    source = candidates(images, reading, prior_of=priors_of(prior, parameters, sigma))
    if places is not None and overwrite and places.rounds.exists():
        shutil.rmtree(places.rounds)
    following = followers(watch, report, places)
    for watcher in following:
        watcher.start(called, places)

    rows, fits = [], []
    for row, found in enumerate(source):
        history = None
        if found.lens is not None:

            def told(record, fit, shown, row=row, identity=found.id):
                for watcher in following:
                    watcher.fitted(row, identity, record, fit, shown)

            folder = None if places is None else places.lens(row)
            history = audit_lens(
                found.lens, procedure, classifier=called, folder=folder, watch=told
            )
            fits += [round_row(found.id, record) for record in history.rounds]
        rows.append(lens_row(found.id, history, status=found.status, message=found.message))
        for watcher in following:
            watcher.audited(row, found.id, history, found.message)

    options = {
        "classifier": called.name,
        "prior": prior if _is_name(prior) else None,
        "parameters": parameters if _is_name(parameters) else None,
        "rounds": rounds,
        "relation": procedure.relation.name,
        "method": procedure.method,
        "lens_light": procedure.lens_light,
        "light_profile": procedure.light_profile if procedure.light_profile != "mge" else None,
        "shear": procedure.shear,
        "power_law": procedure.power_law or None,
        "seed": seed,
        "rings": reading.rings and f"{reading.rings[0]},{reading.rings[1]}",
        "band": reading.band,
        "psf_fwhm": reading.psf_fwhm,
        "exposure": reading.exposure,
        "assume_pixel_scale": reading.pixel_scale,
        "output": output,
    }
    meta = audit_metadata(images, options, rows)
    table = table_of(rows, NO_LENS, {**meta, "after_round": after_rounds(fits, rounds)})
    if places is not None:
        write_table(table_of(fits, NO_FIT, meta), places.history, overwrite=True)
        write_table(table, places.table, overwrite=overwrite)
    for watcher in following:
        watcher.finish(table)
    return table


def followers(watch, report, places) -> list:
    """Those who were given, and the page if there is to be one."""
    page = [pkgutil.resolve_name(PAGE_CLASS)()] if report and places is not None else []
    return [*watch, *page]


def audit_metadata(images, options, rows) -> dict:
    """Where a table came from, and how many lenses need a person."""
    from lensfinder import __version__

    verdicts, counts = np.unique([row["verdict"] or "none" for row in rows], return_counts=True)
    return {
        "verb": "audit",
        "version": __version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command_line("audit", images, options),
        "classifier": options["classifier"],
        "relation": options["relation"],
        "counts": {str(n): int(count) for n, count in zip(verdicts, counts, strict=True)},
        "needs_a_person": int(sum(row["needs_a_person"] for row in rows)),
    }


def after_rounds(fits, rounds: int) -> list[dict]:
    """Verdicts after each round; a lens that needs no further fit keeps its last one.

    Parameters
    ----------
    fits : list of dict
        Rows of the history table.
    rounds : int
        Most refits.

    Returns
    -------
    list of dict
        ``under, correct, over`` after round 0 to `rounds`.
    """
    counts = []
    for number in range(rounds + 1):
        last = {row["id"]: row["verdict"] for row in fits if row["round"] <= number}
        verdicts = list(last.values())
        counts.append({name: verdicts.count(name) for name in SOLUTIONS})
    return counts


def places_of(output, report, overwrite) -> Places:
    """The files of a run, after a check that none of them is in the way."""
    places = Places.of(check_output(output, overwrite=overwrite))
    refuse_existing(places.history, overwrite)
    if report:
        refuse_existing(places.page, overwrite)
    if places.rounds.exists() and not places.rounds.is_dir():
        raise OutputExistsError(
            f"{places.rounds} is a file. Choose another output.", path=str(places.rounds)
        )
    return places


def _is_name(value) -> bool:
    return isinstance(value, str) or hasattr(value, "__fspath__")
