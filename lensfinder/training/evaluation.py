"""Measuring a trained network on fresh mocks that it never saw."""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import DatasetSpecError
from lensfinder.training.run_folder import versions
from lensfinder.training.scores import finder_figures, modeller_figures
from lensfinder.training.sources import mock_batch

# Far from the seeds of all recipes in data_specs/recipes: what it draws is new to every preset.
TEST_SEED = 770_001
BATCH_SIZE = 256


@dataclass(frozen=True)
class MockSample:
    """Which mocks to measure on.

    Attributes
    ----------
    survey, population : str
        Names or paths of the specifications.
    size : int
        Number of objects.
    seed, start : int
        Seed of the simulator, and its first object.
    """

    survey: str
    population: str
    size: int
    seed: int = TEST_SEED
    start: int = 0


def measure(predict, sample: MockSample, *, contract, task: str, targets, note=None) -> dict:
    """Figures of a network on a sample of mocks.

    A finder is measured on all objects, a modeller on the lenses among them.

    Parameters
    ----------
    predict : callable
        ``{group: images (N, H, W, bands)} -> array (N, outputs)``.
    sample : MockSample
        The mocks.
    contract : InputContract
        What the network must be fed; checked against the mocks.
    task : {"finder", "modeller"}
        What it predicts.
    targets : sequence of str
        Columns a modeller predicts.
    note : callable or None
        Told the number of objects done after each batch.

    Returns
    -------
    dict
        Plain data: ``data`` (the sample), ``versions``, and the figures of `finder_figures` or
        `modeller_figures` under the task's name.

    Raises
    ------
    InputContractError
        If the survey's images are not what the network takes.
    DatasetSpecError
        If a modeller's sample holds no lens.
    MetricError
        If a finder's sample holds one class only.
    """
    from lensfinder.simulate import Simulator
    from lensfinder.specs import load_survey

    survey = load_survey(sample.survey)
    scales = {group.name: survey.group(group.name).pixel_scale for group in contract.groups}
    columns = ("label", *(targets if task == "modeller" else ()))
    simulator = Simulator(sample.survey, sample.population, seed=sample.seed)
    truth, output, kinds = [], [], []
    for mocks in simulator.stream(start=sample.start, count=sample.size, batch=BATCH_SIZE):
        batch = mock_batch(mocks, columns, tuple(contract.shapes))
        contract.check(batch.images, scales, survey.unit)
        truth.append(batch.y)
        output.append(predict(batch.images))
        kinds.append(np.asarray(mocks.truth["class"]).astype(str))
        if note is not None:
            note(sum(map(len, truth)))
    truth, output, kinds = map(np.concatenate, (truth, output, kinds))
    rng = np.random.default_rng(sample.seed)
    if task == "finder":
        figures = finder_figures(truth[:, 0], output[:, 0], rng=rng, kinds=kinds)
    else:
        lens = truth[:, 0] > 0
        if not lens.any():
            raise DatasetSpecError(
                f"{sample.population} drew no lens among {sample.size} objects. Ask for more."
            )
        figures = modeller_figures(targets, truth[lens, 1:], output[lens], rng=rng)
    data = {
        "survey": survey.name,
        "population": str(sample.population),
        "seed": sample.seed,
        "start": sample.start,
        "n": sample.size,
    }
    return {"data": data, "versions": versions(), task: figures}


def headline(figures: dict) -> dict[str, float]:
    """The two or three figures that describe a preset in a table.

    Parameters
    ----------
    figures : dict
        From `measure`.

    Returns
    -------
    dict of str to float
        ROC AUC and completeness at FPR 1e-2, or the RMS of each parameter.
    """
    if "finder" in figures:
        found = figures["finder"]
        chosen = {"roc_auc": found["roc_auc"], "tpr_at_fpr_0.01": found["tpr_at_fpr_0.01"]}
    else:
        table = figures["modeller"]["parameters"]
        chosen = {f"{name}_rms": values["rms"] for name, values in table.items()}
    return {name: round(value, 4) for name, value in chosen.items() if value is not None}
