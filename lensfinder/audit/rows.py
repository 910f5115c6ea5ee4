"""From histories to tables: one row per lens, and one per fit."""

import numpy as np

from lensfinder.audit.opinion import Opinion
from lensfinder.audit.record import History, Round
from lensfinder.fit.rows import ENDINGS, PARAMETERS, SLOPE, without_slope
from lensfinder.inversion.lens_fit import point_estimates
from lensfinder.inversion.priors import TABLE_NAMES
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.tables import build_table, clean_message

_EDGES = (0.001, 0.999)  # quantiles at which a prior is said to end


def lens_row(name: str, history: History | None, *, status: str, message: str) -> dict:
    """The row of a lens.

    Parameters
    ----------
    name : str
        Its id.
    history : History or None
        Its rounds; None if the image could not be fitted.
    status, message : str
        Of the image.

    Returns
    -------
    dict
        Column name to value; NaN and empty text where there was no fit.
    """
    answer = None if history is None else history.answer
    last = None if history is None else history.last
    reasons = (message,) if history is None else history.reasons
    return {
        "id": name,
        **_of_record(answer),
        "needs_a_person": bool(reasons) if history is None else history.needs_a_person,
        "fits": 0 if history is None else len(history.rounds),
        **_mass(answer),
        **_restart(last),
        "seconds": sum(record.seconds for record in history.rounds) if history else np.nan,
        "status": (history.problem or "ok") if history is not None else status,
        "message": clean_message("; ".join(filter(None, reasons))),
    }


def round_row(name: str, record: Round | None) -> dict:
    """The row of one fit.

    Parameters
    ----------
    name : str
        Id of the lens.
    record : Round or None
        The fit; None for a row without numbers.

    Returns
    -------
    dict
        Column name to value.
    """
    low, high = np.nan, np.nan
    if record is not None:
        low, high = record.prior.theta_E.draw(np.array(_EDGES), "arcsec")
    words = [] if record is None else [record.words, *record.problems]
    return {
        "id": name,
        "round": 0 if record is None else record.number,
        "prior_low": float(low),
        "prior_high": float(high),
        **_of_record(record),
        **_mass(record),
        "evaluations": 0 if record is None else record.evaluations,
        "seconds": np.nan if record is None else record.seconds,
        **_restart(record),
        "message": clean_message("; ".join(words)),
    }


def given_row(name: str, probabilities, opinion, *, mass, theta_E, step, reasons) -> dict:
    """The row of a reconstruction made elsewhere.

    Parameters
    ----------
    name : str
        Its id.
    probabilities : array (3,)
        Of under, correct and over.
    opinion : Opinion or None
        By the parity of the light.
    mass : MassModel or None
        The lens.
    theta_E : float or None
        Its Einstein radius, arcsec.
    step : Step or None
        What follows; None where the radius is not known.
    reasons : sequence of str
        Why a person should look.

    Returns
    -------
    dict
        Column name to value.
    """
    values = {} if mass is None else {k: found.mean for k, found in point_estimates(mass).items()}
    values["theta_E"] = np.nan if theta_E is None else theta_E
    masses = {TABLE_NAMES.get(key, key): values.get(key, np.nan) for key in PARAMETERS}
    return {
        "id": name,
        **_verdict(probabilities, opinion),
        "needs_a_person": bool(reasons),
        **{key: float(value) for key, value in masses.items()},
        **_step(step),
        "message": clean_message("; ".join([*reasons, *([] if step is None else [step.words])])),
    }


def table_of(rows, template: dict, meta=None):
    """A table of rows.

    Parameters
    ----------
    rows : list of dict
        All with the same keys.
    template : dict
        A row, for the columns and types of a table without rows.
    meta : dict or None
        Metadata.

    Returns
    -------
    astropy.table.Table
        With units and descriptions; with ``slope`` only where one was fitted.
    """
    columns = {}
    for name, value in template.items():
        kind = np.asarray(value).dtype.kind
        kind = {"f": np.float64, "i": np.int64, "b": np.bool_}.get(kind, "U")
        columns[name] = np.array([row[name] for row in rows] or [], dtype=kind)
    return build_table(without_slope(columns) if SLOPE in columns else columns, meta)


def _of_record(record) -> dict:
    if record is None:
        return _verdict(np.full(len(SOLUTIONS), np.nan), None)
    return _verdict(record.probabilities, Opinion(record.opinion, record.copy_scale))


def _verdict(probabilities, opinion) -> dict:
    known = np.isfinite(probabilities).all()
    return {
        "verdict": SOLUTIONS[int(np.argmax(probabilities))] if known else "",
        **{f"p_{kind}": float(p) for kind, p in zip(SOLUTIONS, probabilities, strict=True)},
        "opinion": "" if opinion is None else opinion.verdict,
        "copy_scale": np.nan if opinion is None else opinion.copy_scale,
    }


def _mass(record) -> dict:
    found = {}
    for name in (*PARAMETERS, SLOPE):
        column, values = (
            TABLE_NAMES.get(name, name),
            {} if record is None else record.parameters[name],
        )
        found[column] = np.nan if record is None else record.best[name]
        for ending, key in ENDINGS.items():
            found[column + ending] = values.get(key, np.nan)
    found["log_evidence"] = np.nan if record is None else record.log_evidence
    found["reduced_chi2"] = np.nan if record is None else record.reduced_chi2
    return found


def _restart(record) -> dict:
    return _step(None if record is None else record.step)


def _step(step) -> dict:
    low, high = (np.nan, np.nan) if step is None or step.theta_E is None else step.theta_E
    action = "" if step is None else step.action
    return {"action": action, "restart_low": low, "restart_high": high}


# Rows without numbers: the columns of a table without rows.
NO_LENS = lens_row("", None, status="", message="")
NO_FIT = round_row("", None)
NO_GIVEN = given_row("", np.full(3, np.nan), None, mass=None, theta_E=None, step=None, reasons=())
