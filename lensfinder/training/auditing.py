"""What an auditor says of reconstructions that it was not trained on, one by one."""

import numpy as np
from astropy.table import Table
from pydantic import ValidationError

from lensfinder.errors import ArgumentError, DatasetSpecError, PresetError
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.training.evaluation import Scored
from lensfinder.training.forked import classify, split_of
from lensfinder.training.pairs import Pairs, PairSpec, Systems
from lensfinder.training.reconstructions import load_pairs, read_spec

LENSES = 300  # three reconstructions each; the error of an accuracy of 0.99 is then 0.003
TRIES = 20  # lenses looked at for one that can be used, on average, before it is given up


def pair_spec(preset) -> PairSpec:
    """What the pairs are made of that an auditor was trained and measured on.

    Parameters
    ----------
    preset : Preset
        An auditor.

    Returns
    -------
    PairSpec
        As in its ``metrics.json``.

    Raises
    ------
    PresetError
        If that does not say.
    """
    try:
        return PairSpec.model_validate(preset.metrics["data"]["pairs"])
    except (KeyError, TypeError, ValidationError) as error:
        raise PresetError(
            f"{preset.name} does not say which reconstructions it was measured on. Give a folder "
            "of pairs (pairs=..., --pairs)."
        ) from error


def draw_pairs(spec: PairSpec, n: int, *, start: int = 0, keep=None, note=None) -> Pairs:
    """The reconstructions of the first `n` lenses that can be used.

    Parameters
    ----------
    spec : PairSpec
        What they are made of.
    n : int
        Number of lenses, three pairs each.
    start : int
        Number of the first lens that is looked at.
    keep : callable or None
        From numbers of lenses (array) to whether they take part (array); all by default.
    note : callable or None
        Told the number of pairs that are there after each lens.

    Returns
    -------
    Pairs
        In order of lenses. Lens i depends on the specification and on i alone.

    Raises
    ------
    ArgumentError
        If `n` is below 1.
    DatasetSpecError
        If hardly a lens can be used.
    """
    if n < 1:
        raise ArgumentError(f"Ask for at least one lens. Received: {n}.")
    systems, parts, looked, index = Systems(spec), [], 0, start
    while len(parts) < n:
        if keep is None or keep(np.array([index]))[0]:
            found = systems.pairs(index)
            looked += 1
            if found is not None:
                parts.append(found)
                if note is not None:
                    note(sum(map(len, parts)))
            elif looked >= TRIES * n:
                raise DatasetSpecError(
                    f"Of {looked} lenses of {spec.population} on {spec.survey}, {len(parts)} can "
                    "be reconstructed. Take a survey that shows their arcs."
                )
        index += 1
    return Pairs.join(parts)


def score_solutions(
    preset, n: int | None = None, *, seed: int, start: int = 0, folder=None, note=None
) -> Scored:
    """An auditor's answers about reconstructions that it was not trained on.

    Parameters
    ----------
    preset : Preset
        The auditor.
    n : int or None
        Number of lenses to draw, three reconstructions each; 300 by default.
    seed : int
        Of the lenses. With that of the training, only lenses that were kept apart are drawn: they
        are those that the preset's own figures are of.
    start : int
        Number of the first lens that is looked at.
    folder : path-like or None
        Stored pairs instead (`lensfinder.training.reconstructions`): of the specification that the
        auditor was trained on those kept apart, of another one all.
    note : callable or None
        Told the number of pairs that are there.

    Returns
    -------
    Scored
        A row per pair: ``verdict`` (the true solution), ``theta_E`` (of the lens, arcsec) and the
        number of the lens in the ``id``; the output is the probability of each solution.

    Raises
    ------
    PresetError
        If the preset does not say what it was trained on, and no folder is given.
    ArgumentError
        If `n` is below 1.
    DatasetSpecError
        If hardly a lens can be used, or the folder holds no pairs of the frame.
    """

    def held(lens):
        return split_of(lens, "test")

    if folder is None:
        trained_on = pair_spec(preset)
        spec = trained_on.model_copy(update={"seed": seed})
        keep = held if spec == trained_on else None
        pairs = draw_pairs(spec, LENSES if n is None else n, start=start, keep=keep, note=note)
    else:
        spec = read_spec(folder)
        trained_on = preset.metrics.get("data", {}).get("pairs")
        keep = held if spec.model_dump(mode="json") == trained_on else None
        pairs = load_pairs(folder, keep=keep)
    size, side = pairs.images["source"].shape[1], preset.contract.groups[0].stamp
    if size != side:
        raise DatasetSpecError(
            f"The pairs have frames of {size} pixels, {preset.name} takes {side}. Make pairs with "
            f"--size {side}."
        )
    names = np.asarray(SOLUTIONS)[pairs.label]
    truth = Table(
        {
            "id": [f"{lens}-{name}" for lens, name in zip(pairs.lens, names, strict=True)],
            "verdict": names,
            "theta_E": np.asarray(pairs.true_theta_E, np.float64),
        }
    )
    facts = {"pairs": spec.model_dump(mode="json"), "n": len(pairs)}
    facts["lenses"] = int(np.unique(pairs.lens).size)
    return Scored(truth, classify(preset.load(), pairs), facts)
