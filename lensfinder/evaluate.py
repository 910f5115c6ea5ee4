"""Measure a preset on fresh mocks: ``evaluate`` in Python, ``lensfinder evaluate`` in a shell."""

import json
from pathlib import Path

from lensfinder.errors import PresetError
from lensfinder.tables import refuse_existing, write_atomically
from lensfinder.training.evaluation import TEST_SEED, MockSample, measure


def evaluate(
    preset,
    n: int = 10_000,
    *,
    seed: int = TEST_SEED,
    population=None,
    survey=None,
    out=None,
    overwrite: bool = False,
    note=None,
) -> dict:
    """Figures of a preset on mocks that it was not trained on.

    Parameters
    ----------
    preset : str, Path or Preset
        Name of a preset, folder of one, or an open preset.
    n : int
        Number of mocks.
    seed : int
        Seed of the simulator. The default is that of no training.
    population, survey : str, Path or None
        Names or YAML files; by default those that the preset was measured on.
    out : str, Path or None
        Folder in which to write ``metrics.json``.
    overwrite : bool
        Whether an existing ``metrics.json`` may be replaced.
    note : callable or None
        Told the number of objects done.

    Returns
    -------
    dict
        Plain data: see `lensfinder.training.evaluation.measure`.

    Raises
    ------
    UnknownNameError
        If preset, survey or population is unknown.
    PresetError
        If the preset does not say which population it is for, and none is given.
    InputContractError
        If the survey's images are not what the preset takes.
    OutputExistsError
        If there is a ``metrics.json`` in `out` already.
    """
    from lensfinder.zoo import Preset, fixed_predict, open_preset

    preset = preset if isinstance(preset, Preset) else open_preset(preset)
    place = None if out is None else Path(out) / "metrics.json"
    if place is not None:
        refuse_existing(place, overwrite)
    population = population or preset.metrics.get("data", {}).get("population")
    if population is None:
        raise PresetError(
            f"{preset.name} does not say which population it was measured on. Give one "
            "(population=..., --population)."
        )
    figures = measure(
        fixed_predict(preset.load()),
        MockSample(str(survey or preset.contract.survey), str(population), n, seed),
        contract=preset.contract,
        task=preset.task,
        targets=preset.targets,
        note=note,
    )
    figures = {"preset": preset.name, **figures}
    if place is not None:
        text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
        write_atomically(place, lambda temporary: Path(temporary).write_text(text))
    return figures
