"""Measuring a trained network on fresh mocks that it never saw."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from astropy.table import Table, vstack

from lensfinder.errors import DatasetSpecError
from lensfinder.inversion.relation import SOLUTIONS
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.tables import COLUMNS
from lensfinder.training.cleaned import stage_of
from lensfinder.training.cleaning import measure_cleaner
from lensfinder.training.coverage import posterior_figures
from lensfinder.training.parameter_bins import bins_along
from lensfinder.training.planes import plane_batch
from lensfinder.training.recipe_data import drawing
from lensfinder.training.run_folder import versions
from lensfinder.training.scores import finder_figures, modeller_figures, without_nan
from lensfinder.training.solution_scores import labels_of, lenses_of_pairs, solution_figures
from lensfinder.zoo import open_preset

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
    sources : str or None
        Library of real galaxies to lense.
    subtract_lens_light : bool
        Whether the noiseless light of everything but the source is taken off.
    visits : int
        How many visits each image is the mean of.
    plane : {"S1", "S2", "S3"}
        What the network is shown: noisy, noiseless, or the noiseless source alone.
    cleaner : str or None
        Preset that makes the source alone of the noisy images, which is shown instead of `plane`.
    """

    survey: str
    population: str
    size: int
    seed: int = TEST_SEED
    start: int = 0
    sources: str | None = None
    subtract_lens_light: bool = False
    visits: int = 1
    plane: str = "S1"
    cleaner: str | None = None

    @property
    def drawing(self) -> dict:
        """Options of `Simulator` that are not the default."""
        return drawing(self)

    def facts(self, survey) -> dict:
        """Which sample it is.

        Parameters
        ----------
        survey : Survey
            The survey of its name.

        Returns
        -------
        dict
            Plain data.
        """
        return {
            "survey": survey.name,
            "population": str(self.population),
            "seed": self.seed,
            "start": self.start,
            "n": self.size,
            **self.drawing,
            **({} if self.plane == "S1" else {"plane": self.plane}),
            **self._cleaned(),
        }

    def _cleaned(self) -> dict:
        """The cleaner and its weights, of which the figures are."""
        if self.cleaner is None:
            return {}
        fingerprint = open_preset(self.cleaner).fingerprint
        return {"cleaner": str(self.cleaner), "cleaner_sha256": fingerprint}

    def digest(self) -> str:
        """The sample in one number, of what its files say, which may be edited.

        Survey and population are written out, and the cleaner's weights are in it.

        Returns
        -------
        str
            SHA-256; another one is another sample.
        """
        from lensfinder.specs import load_population, load_survey

        survey = load_survey(self.survey)
        parts = [survey, load_population(self.population)]
        plain = [self.facts(survey), *(part.model_dump(mode="json") for part in parts)]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Scored:
    """Objects with what is true of them and what a network says.

    Attributes
    ----------
    truth : astropy.table.Table
        One row per object: ``id``, and of ``label``, ``class``, the lens parameters, ``src_mag``,
        ``snr``, ``n_pix`` and others of the registry what is known.
    output : array (N, outputs)
        Probabilities, or parameters in their units.
    data : dict
        Which sample it is, plain data.
    """

    truth: Table
    output: np.ndarray
    data: dict


def score_mocks(predict, sample: MockSample, *, contract, note=None) -> Scored:
    """Answers of a network on a sample of mocks.

    Parameters
    ----------
    predict : callable
        ``{group: images (N, H, W, bands)} -> array (N, outputs)``.
    sample : MockSample
        The mocks.
    contract : InputContract
        What the network must be fed; checked against the mocks.
    note : callable or None
        Told the number of objects done after each batch.

    Returns
    -------
    Scored
        All objects, lenses or not.

    Raises
    ------
    InputContractError
        If the survey's images are not what the network takes.
    PresetError
        If the sample's cleaner makes other images than the network takes.
    """
    from lensfinder.simulate import Simulator
    from lensfinder.specs import load_survey

    stage = stage_of(sample.cleaner)
    if stage is not None:
        stage.check(contract, sample)

    survey = load_survey(sample.survey)
    scales = {group.name: survey.group(group.name).pixel_scale for group in contract.groups}
    simulator = Simulator(
        sample.survey,
        sample.population,
        seed=sample.seed,
        planes=(sample.plane if stage is None else "S1",),
        **sample.drawing,
    )
    truth, output = [], []
    for mocks in simulator.stream(start=sample.start, count=sample.size, batch=BATCH_SIZE):
        channels = contract.channels(survey)
        batch = plane_batch(mocks, sample.plane, ("label",), channels, cleaner=stage)
        contract.check(batch.images, scales, survey.unit)
        truth.append(_known(mocks.truth, survey))
        output.append(predict(batch.images))
        if note is not None:
            note(sum(map(len, truth)))
    joined = vstack(truth, metadata_conflicts="silent")
    return Scored(joined, np.concatenate(output), sample.facts(survey))


def _known(truth, survey) -> Table:
    """The columns of a truth table that the registry names, and the source's magnitude."""
    table = truth[[name for name in truth.colnames if name in COLUMNS]]
    band = survey.finest.bands[0]
    fluxes = [f"{part}_flux_{band.name}" for part in ("src", "src_bulge")]
    fluxes = [np.asarray(truth[name]) for name in fluxes if name in truth.colnames]
    if fluxes:
        table["src_mag"] = magnitudes(sum(fluxes), band.zero_point)
    return table


def magnitudes(flux, zero_point: float) -> np.ndarray:
    """AB magnitudes.

    Parameters
    ----------
    flux : array (N,)
        In electron/s.
    zero_point : float
        AB magnitude of 1 electron/s.

    Returns
    -------
    array (N,)
        NaN where there is no flux.
    """
    flux = np.asarray(flux, np.float64)
    return zero_point - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))


def figures_of(scored: Scored, *, task: str, targets, rng) -> dict:
    """Figures of a network on objects that it has answered.

    A finder or an auditor is measured on all objects, a modeller on the lenses among them.

    Parameters
    ----------
    scored : Scored
        The objects.
    task : {"finder", "modeller", "auditor"}
        What was predicted.
    targets : sequence of str
        Columns that a modeller predicts; those that the truth has not got are left out.
    rng : numpy.random.Generator
        For error bars.

    Returns
    -------
    dict
        ``data`` (the sample), ``versions``, and the figures of `finder_figures`,
        `modeller_figures` or `solution_figures` under the task's name; of a modeller with
        posteriors also ``posterior`` (`lensfinder.training.coverage.posterior_figures`, in bins of
        S/N where it is known), and of every modeller ``bins`` (errors by Einstein radius and S/N,
        where these are known; `lensfinder.training.parameter_bins.bins_along`).

    Raises
    ------
    DatasetSpecError
        If a modeller's sample holds no lens.
    MetricError
        If a finder's sample holds one class only.
    """
    truth, output = scored.truth, scored.output
    if task == "finder":
        kinds = np.asarray(truth["class"]).astype(str) if "class" in truth.colnames else None
        figures = finder_figures(np.asarray(truth["label"]), output[:, 0], rng=rng, kinds=kinds)
    elif task == "auditor":
        label, lens = labels_of(truth), lenses_of_pairs(truth)
        figures = without_nan(solution_figures(label, output, lens=lens, rng=rng))
    else:
        truth, output = lenses_of(scored)
        known = [name for name in targets if name in truth.colnames]
        columns = [list(targets).index(name) for name in known]
        true = np.stack([np.asarray(truth[name], np.float32) for name in known], axis=1)
        figures = modeller_figures(known, true, output[:, columns], rng=rng)
        if has_posterior(output, targets):
            posterior = Posterior.of(output, targets).marginal(known)
            by = np.asarray(truth["snr"]) if "snr" in truth.colnames else None
            figures["posterior"] = posterior_figures(posterior, true, rng=rng, by=by)
        ours = output[:, columns].astype(np.float64)
        both = [dict(zip(known, values.T, strict=True)) for values in (true, ours)]
        # last, so that the error bars of all other figures are those of the same random numbers
        figures["bins"] = without_nan(bins_along(truth, *both, rng=rng))
    return {"data": scored.data, "versions": versions(), task: figures}


def lenses_of(scored: Scored):
    """The lenses of a sample: what a modeller is measured on.

    Parameters
    ----------
    scored : Scored
        The objects; all are lenses if there are no labels.

    Returns
    -------
    truth : astropy.table.Table
        Of the lenses.
    output : array (N, outputs)
        Answers about them.

    Raises
    ------
    DatasetSpecError
        If there is none.
    """
    if "label" not in scored.truth.colnames:
        return scored.truth, scored.output
    lens = np.asarray(scored.truth["label"]) > 0
    if not lens.any():
        name = scored.data.get("population", "The sample")
        raise DatasetSpecError(f"{name} has no lens among {lens.size} objects. Ask for more.")
    return scored.truth[lens], scored.output[lens]


def measure(predict, sample: MockSample, *, contract, task: str, targets, note=None) -> dict:
    """Figures of a network on a sample of mocks: `score_mocks`, then `figures_of`.

    Parameters
    ----------
    predict : callable
        ``{group: images (N, H, W, bands)} -> array (N, outputs)``.
    sample : MockSample
        The mocks; their seed is also that of the error bars.
    contract : InputContract
        What the network must be fed; checked against the mocks.
    task : {"finder", "modeller", "cleaner"}
        What it predicts.
    targets : sequence of str
        Columns a modeller predicts.
    note : callable or None
        Told the number of objects done after each batch.

    Returns
    -------
    dict
        Plain data, see `figures_of`.

    Raises
    ------
    InputContractError
        If the survey's images are not what the network takes.
    DatasetSpecError
        If a modeller's sample holds no lens.
    MetricError
        If a finder's sample holds one class only.
    """
    if task == "cleaner":
        return measure_cleaner(predict, sample, contract=contract, targets=targets, note=note)
    scored = score_mocks(predict, sample, contract=contract, note=note)
    rng = np.random.default_rng(sample.seed)
    return figures_of(scored, task=task, targets=targets, rng=rng)


def headline(figures: dict) -> dict[str, float]:
    """The two or three figures that describe a preset in a table.

    Parameters
    ----------
    figures : dict
        From `measure`.

    Returns
    -------
    dict of str to float
        ROC AUC and completeness at FPR 1e-2, the RMS of each parameter, the PSNR of each plane, or
        the accuracy and the recall of each solution.
    """
    if "cleaner" in figures:
        found = figures["cleaner"]
        chosen = {f"psnr_{name}": found[name]["psnr"] for name in found if name != "objects"}
    elif "finder" in figures:
        found = figures["finder"]
        chosen = {"roc_auc": found["roc_auc"], "tpr_at_fpr_0.01": found["tpr_at_fpr_0.01"]}
    elif "auditor" in figures:
        found = figures["auditor"]
        recalls = {f"recall_{name}": found[name]["recall"] for name in SOLUTIONS}
        chosen = {"accuracy": found["accuracy"], **recalls}
    else:
        table = figures["modeller"]["parameters"]
        chosen = {f"{name}_rms": values["rms"] for name, values in table.items()}
    return {name: round(value, 4) for name, value in chosen.items() if value is not None}
