"""Reconstructions made elsewhere: verdicts, and the prior with which to fit again."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import yaml

from lensfinder.audit.classifiers import PRESET, classifier_of
from lensfinder.audit.elsewhere import Reconstruction
from lensfinder.audit.loop import doubts
from lensfinder.audit.rows import NO_GIVEN, given_row, table_of
from lensfinder.audit.rules import CORRECT, Attempt, Step, next_prior, next_step
from lensfinder.audit.run import audit_metadata, followers, places_of
from lensfinder.errors import ArgumentError
from lensfinder.inversion.lens_fit import point_estimates
from lensfinder.inversion.priors import MassPrior
from lensfinder.inversion.relation import DEFAULT, SOLUTIONS, load_relation
from lensfinder.tables import write_atomically, write_table

PRIOR = "prior.yaml"


def audit_given(
    reconstructions: Iterable[Reconstruction],
    *,
    output=None,
    classifier=PRESET,
    relation=DEFAULT,
    report: bool = True,
    overwrite: bool = False,
    watch=(),
):
    """Call reconstructions made by other codes, and propose where to start again.

    Parameters
    ----------
    reconstructions : iterable of Reconstruction
        From `read_images`, `read_pyautolens` or `read_coolest`.
    output : path or None
        Where to write the table; beside it ``.rounds`` (per lens a picture, and the prior to start
        again with: YAML that `MassPrior.from_yaml` reads) and ``.report.html``.
    classifier : str, path or callable
        As in `audit`; ``"parity"`` needs the image and the mass.
    relation : str or Relation
        As in `audit`.
    report : bool
        Whether a page is written.
    overwrite : bool
        Whether existing files may be replaced.
    watch : sequence of Watcher
        Who else follows.

    Returns
    -------
    astropy.table.Table
        One row per reconstruction: ``verdict`` and its probabilities, ``needs_a_person``, the mass
        as it was given, and ``restart_low, restart_high`` (NaN where the Einstein radius is not
        known).

    Raises
    ------
    OutputExistsError
        If an output exists already; before anything is computed.
    PresetError, UnknownNameError
        If classifier or relation is not there.
    ArgumentError, NoiseMapError
        If a reconstruction does not hold together.
    """
    places = None if output is None else places_of(output, report, overwrite)
    called, known = classifier_of(classifier), load_relation(relation)
    if places is not None and overwrite and places.rounds.exists():
        shutil.rmtree(places.rounds)
    following = followers(watch, report, places)
    for watcher in following:
        watcher.start(called, places)
    rows = []
    for number, found in enumerate(reconstructions):
        if not isinstance(found, Reconstruction):
            raise ArgumentError(
                f"Expected reconstructions. Received: {type(found).__name__}. Read them with "
                "`read_images`, `read_pyautolens` or `read_coolest`."
            )
        images, opinion = found.images(called.size), found.opinion()
        if called.predict is None and opinion is None and found.remark:
            raise ArgumentError(f"{found.id}: {found.remark}; or use a network (--classifier).")
        probabilities = called(images, opinion)
        step = restart(found, probabilities, known)
        rows.append(_row(found, probabilities, opinion, step))
        if places is not None and step is not None:
            _write_prior(prior_after(found, step), places.lens(number) / PRIOR)
        for watcher in following:
            watcher.given(number, found, images, rows[-1])
    options = {"classifier": called.name, "relation": known.name, "output": output}
    table = table_of(rows, NO_GIVEN, audit_metadata([row["id"] for row in rows], options, rows))
    if places is not None:
        write_table(table, places.table, overwrite=overwrite)
    for watcher in following:
        watcher.finish(table)
    return table


def restart(found: Reconstruction, probabilities, relation) -> Step | None:
    """What the rules say after a first fit made elsewhere.

    Parameters
    ----------
    found : Reconstruction
        The reconstruction.
    probabilities : array (3,)
        Of under, correct and over.
    relation : Relation
        Where the unphysical solutions lie.

    Returns
    -------
    Step or None
        None where the Einstein radius is not known.
    """
    if found.theta_E is None:
        return None
    verdict = SOLUTIONS[int(np.argmax(probabilities))]
    return next_step([Attempt(found.theta_E, verdict)], relation)


def prior_after(found: Reconstruction, step: Step) -> MassPrior:
    """The prior to fit a reconstruction again with.

    Parameters
    ----------
    found : Reconstruction
        The reconstruction.
    step : Step
        From `restart`.

    Returns
    -------
    MassPrior
        Uniform in theta_E; wide in all else, or narrow about the mass of a correct one.
    """
    if found.mass is None:
        step = Step("refit", step.words, step.theta_E)  # nothing known to narrow about
        return next_prior(step, start=MassPrior(), found={})
    shear = found.mass.gamma1 or found.mass.gamma2
    start = MassPrior().sheared() if shear else MassPrior()
    means = {name: value.mean for name, value in point_estimates(found.mass).items()}
    return next_prior(step, start=start, found=means)


def _row(found, probabilities, opinion, step) -> dict:
    reasons = doubts(probabilities, opinion)
    verdict = SOLUTIONS[int(np.argmax(probabilities))]
    if verdict != CORRECT:
        reasons.insert(0, f"{verdict}-magnified: fit it again")
    if found.remark:
        reasons.append(found.remark)
    if step is None:
        reasons.append("no restart: the Einstein radius is not known (--theta-E)")
    return given_row(
        found.id,
        probabilities,
        opinion,
        mass=found.mass,
        theta_E=found.theta_E,
        step=step,
        reasons=reasons,
    )


def _write_prior(prior, path):
    text = yaml.safe_dump(prior.model_dump(), sort_keys=False)
    write_atomically(path, lambda place: Path(place).write_text(text, encoding="utf-8"))
