"""Give a modeller's posteriors their spread: fitted on validation lenses, judged on test lenses.

A network is surer of the mocks that it was trained on than of new ones. A factor per target on its
spread undoes that; it is fitted so that central intervals of all levels at once hold the truth as
often as they say. How much too sure a network is depends on the lens, too: where lenses of several
populations are known, or the answers tell it, the factor goes with the answer
(`lensfinder.training.spread_slopes`).
"""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.training.coverage import LEVELS, coverage
from lensfinder.training.evaluation import MockSample, Scored, figures_of, lenses_of, score_mocks
from lensfinder.training.losses import NOISE
from lensfinder.training.sources import validation_objects
from lensfinder.training.spread_populations import samples_of
from lensfinder.training.spread_slopes import fit_slopes
from lensfinder.zoo import fixed_predict
from lensfinder.zoo.calibration import Spread
from lensfinder.zoo.decoder import Decoder, with_draws
from lensfinder.zoo.spread_slopes import CalibratedOn

LEAST = 100  # lenses: the factor is then known to 7 %
LARGEST = 5.0  # of a factor, and its inverse the smallest
STOCHASTIC = ("vib", "resnet101_flipout")
CHUNKS = 8  # of a sample's answers behind which the layer is put: posteriors of draws are wide
RARE = 0.99  # share of the validation lenses that a network is surer of than of an odd image


def fit_spread(posterior: Posterior, truth, *, groups=None) -> Spread:
    """Factors by which the spread of each target is right.

    For each target by itself, the share of the posterior that is nearer to its median than the
    truth is uniform if the posterior is right. The factor brings the distribution of this share
    next to the uniform one (Cramer-von Mises distance); if it goes with the answer, it does so by
    the constant that is left to choose.

    Parameters
    ----------
    posterior : Posterior
        Of N lenses, as the network gives it.
    truth : array (N, P)
        Their true parameters.
    groups : array (N,) or None
        The population that each lens is of, to let factors go with the answer where that is better
        in each of them; by default they are constants. That of the first lens is the one that
        limits are taken from: in a wider one an image of no lens would not stand out.

    Returns
    -------
    Spread
        The fit, with the spreads that one lens in a hundred exceeds.

    Raises
    ------
    MetricError
        If there are fewer than 100 lenses, or a factor would be beyond 5 or below 1/5: then the
        network has not learned its spread.
    """
    from scipy.optimize import minimize_scalar

    truth = np.asarray(truth, np.float64)
    if len(posterior) < LEAST or truth.shape != (len(posterior), len(posterior.targets)):
        raise MetricError(
            f"Spreads are fitted on {LEAST} lenses at least, with their truth. Received: "
            f"{len(posterior)} lenses and a truth of shape {truth.shape}."
        )
    slopes = None if groups is None else fit_slopes(posterior, truth, groups)
    said = posterior
    if slopes is not None:
        said = said.stretched(np.exp(slopes.log_factors(said.mean(), said.std())))
    scales = np.ones(len(posterior.targets))
    for i, name in enumerate(posterior.targets):
        alone = said.marginal((name,))
        true = truth[:, i : i + 1]

        def distance(log_scale, alone=alone, true=true):
            pit = alone.stretched([np.exp(log_scale)]).cdf(true)[:, 0]
            return _distance(np.abs(2 * pit - 1))

        end = np.log(LARGEST)
        found = minimize_scalar(distance, bounds=(-end, end), method="bounded")
        if abs(found.x) > 0.99 * end:
            raise MetricError(
                f"The spread of {name} would have to change by more than a factor of {LARGEST:g}. "
                'The network has not learned it: train longer, or calibrate with "none".'
            )
        scales[i] = np.exp(found.x)
    std = said.stretched(scales).std()
    first = slice(None) if groups is None else np.asarray(groups) == groups[0]
    limits = np.quantile(std[first], RARE, axis=0)
    return Spread(
        scales=tuple(scales.tolist()),
        limits=tuple(limits.tolist()),
        objects=len(posterior),
        slopes=slopes,
    )


def _distance(share) -> float:
    """Cramer-von Mises distance of numbers from the uniform distribution on 0 to 1."""
    share = np.sort(share)
    return float(np.mean((share - (np.arange(share.size) + 0.5) / share.size) ** 2))


def validation_sample(recipe, size: int | None = None) -> MockSample | None:
    """The mocks that the best epoch of a recipe is chosen by.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    size : int or None
        Number of objects; as many as the recipe says by default.

    Returns
    -------
    MockSample or None
        None if validation is not done on mocks.
    """
    held = recipe.validation
    if held is None:
        return None
    facts = (
        held.model_dump(include={"population", "seed", "start", "size", "cleaner"}) | recipe.drawing
    )
    facts |= {} if size is None else {"size": size}
    return MockSample(survey=recipe.survey, plane=recipe.plane, **facts)


def spread_on_validation(
    recipe, model, *, targets, size: int | None = None, populations=(), data=None
) -> Spread | None:
    """Fit the spreads on lenses that the best epoch was chosen by; the test stays unseen.

    Parameters
    ----------
    recipe : Recipe
        Of a modeller.
    model : keras.Model
        The network without calibration.
    targets : sequence of str
        What it predicts.
    size : int or None
        Number of objects of each population, if validation is done on mocks; as many as the recipe
        says by default.
    populations : sequence of str
        Of the mocks; those of the validation if there are none.
    data : dict or None
        What the network was trained on, as ``metrics.json`` has it; with `populations`.

    Returns
    -------
    Spread or None
        None if the network answers values alone, or the recipe leaves validation to the caller.
        Of a network trained by a ``gaussian_decoder`` with the decoder that makes its posterior.

    Raises
    ------
    ArgumentError
        If mocks of these populations were trained on.
    MetricError
        If the network has not learned its spread.
    """
    decoder = decoder_of(recipe.model_dump())
    if decoder is not None:
        model = with_draws(model, decoder)
    if not has_posterior(np.empty((0, model.output_shape[-1])), targets):
        return None
    predict, sample = fixed_predict(model), validation_sample(recipe, size)
    if sample is not None:
        samples = samples_of(sample, populations or (sample.population,), data or {})
        contract = recipe.contract()
        scored = [score_mocks(predict, each, contract=contract) for each in samples]
        found = spread_of(scored, targets)
    else:
        objects = validation_objects(recipe)
        if objects is None:
            return None
        posterior = Posterior.of(predict(objects.images), targets)
        found = fit_spread(posterior, objects.y, groups=np.zeros(len(posterior)))
    return found.model_copy(update={"decoder": decoder})


def decoder_of(recipe) -> Decoder | None:
    """The decoder of a modeller that leaves its code, or its weights, open.

    Parameters
    ----------
    recipe : dict
        Of a modeller, as plain data. A preset's ``metrics.json`` holds no whole recipe: of shards
        it says what they were, instead of where they lay (`lensfinder.training.publish`).

    Returns
    -------
    Decoder or None
        With the width that its loss assumes; None if it has another loss or network.
    """
    loss = recipe["loss"]
    if loss["name"] != "gaussian_decoder" or recipe["network"]["name"] not in STOCHASTIC:
        return None
    ranges = [target["high"] - target["low"] for target in recipe["targets"]]
    noise = loss.get("arguments", {}).get("noise", NOISE)
    return Decoder(noise=tuple(float(noise * each) for each in ranges))


def spread_of(scored, targets) -> Spread:
    """Fit the spreads on the lenses of samples, as many of each.

    Parameters
    ----------
    scored : sequence of Scored
        Mocks of one population each, with answers of the network without calibration.
    targets : sequence of str
        What it predicts.

    Returns
    -------
    Spread
        The fit, which names them.

    Raises
    ------
    DatasetSpecError
        If a sample holds no lens.
    MetricError
        If there are too few lenses, or the network has not learned its spread.
    """
    lenses = [lenses_of(each) for each in scored]
    count = min(len(output) for _, output in lenses)
    output = np.concatenate([output[:count] for _, output in lenses])
    truth = np.concatenate([_true(truth, targets)[:count] for truth, _ in lenses])
    groups = np.repeat(np.arange(len(lenses)), count)
    found = fit_spread(Posterior.of(output, targets), truth, groups=groups)
    names = ("population", "seed", "start")
    used = tuple(
        CalibratedOn(**{name: each.data[name] for name in names}, objects=count) for each in scored
    )
    return found.model_copy(update={"calibrated_on": used})


def measure_spread(
    model, calibration, sample: MockSample, *, contract, targets, elsewhere=()
) -> dict:
    """Figures of a modeller with its calibration, and what the calibration changed.

    Parameters
    ----------
    model : keras.Model
        The network without calibration.
    calibration : Spread or None
        What comes behind it.
    sample : MockSample
        Mocks that neither has seen.
    contract : InputContract
        What the network must be fed.
    targets : sequence of str
        What it predicts.
    elsewhere : sequence of MockSample
        Mocks of other populations that neither has seen, for the coverage.

    Returns
    -------
    dict
        As `lensfinder.training.evaluation.measure`; with a calibration also ``calibration``: its
        kind, factors, slopes and number of objects, what these were, the 68 % coverage of each
        target ``before`` and ``after`` on this sample, and for this and each other sample in
        ``populations`` which it is and the coverage of 50, 68 and 95 % before and after.
    """
    if calibration is not None and calibration.decoder is not None:
        model = with_draws(model, calibration.decoder)
    predict = fixed_predict(model)
    plain = score_mocks(predict, sample, contract=contract)
    scored = plain if calibration is None else _calibrated(plain, calibration)
    figures = figures_of(
        scored, task="modeller", targets=targets, rng=np.random.default_rng(sample.seed)
    )
    if calibration is None:
        return figures
    found = [_held(plain, scored, targets)]
    for other in elsewhere:
        plain = score_mocks(predict, other, contract=contract)
        found.append(_held(plain, _calibrated(plain, calibration), targets))
    held = {
        when: {name: levels["0.68"] for name, levels in found[0][when].items()}
        for when in ("before", "after")
    }
    told = {"kind", "scales", "objects", "slopes", "calibrated_on"}
    facts = calibration.model_dump(mode="json", include=told)
    return {**figures, "calibration": {**facts, **held, "populations": found}}


def _calibrated(scored: Scored, calibration) -> Scored:
    """The same objects with the answers of the network behind which the calibration is."""
    from keras import ops

    layer = calibration.layer()
    parts = np.array_split(scored.output, CHUNKS)
    answers = np.concatenate([ops.convert_to_numpy(layer(part)) for part in parts])
    return Scored(scored.truth, answers, scored.data)


def _held(plain: Scored, calibrated: Scored, targets) -> dict:
    """Which sample it is, and how often intervals of its lenses hold the truth."""
    found = {name: plain.data[name] for name in ("population", "seed", "start")}
    for when, scored in (("before", plain), ("after", calibrated)):
        truth, output = lenses_of(scored)
        held = coverage(Posterior.of(output, targets), _true(truth, targets))
        found[when] = {
            name: {f"{level:g}": float(x) for level, x in zip(LEVELS, held[:, i], strict=True)}
            for i, name in enumerate(targets)
        }
    return {**found, "objects": len(output)}


def _true(truth, targets) -> np.ndarray:
    return np.stack([np.asarray(truth[name], np.float64) for name in targets], axis=1)
