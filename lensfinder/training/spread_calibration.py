"""Give a modeller's posteriors their spread: fitted on validation lenses, judged on test lenses.

A network is surer of the mocks that it was trained on than of new ones. A factor per target on its
spread undoes that; it is fitted so that central intervals of all levels at once hold the truth as
often as they say.
"""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.training.evaluation import MockSample, Scored, figures_of, lenses_of, score_mocks
from lensfinder.training.losses import NOISE
from lensfinder.training.sources import validation_objects
from lensfinder.zoo import fixed_predict
from lensfinder.zoo.calibration import Spread, with_calibration
from lensfinder.zoo.decoder import Decoder, with_draws

LEAST = 100  # lenses: the factor is then known to 7 %
LARGEST = 5.0  # of a factor, and its inverse the smallest
STOCHASTIC = ("vib", "resnet101_flipout")
RARE = 0.99  # share of the validation lenses that a network is surer of than of an odd image


def fit_spread(posterior: Posterior, truth) -> Spread:
    """Factors by which the spread of each target is right.

    For each target by itself, the share of the posterior that is nearer to its median than the
    truth is uniform if the posterior is right. The factor brings the distribution of this share
    next to the uniform one (Cramer-von Mises distance).

    Parameters
    ----------
    posterior : Posterior
        Of N lenses, as the network gives it.
    truth : array (N, P)
        Their true parameters.

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
    scales = np.ones(len(posterior.targets))
    for i, name in enumerate(posterior.targets):
        alone = posterior.marginal((name,))
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
    limits = np.quantile(posterior.stretched(scales).std(), RARE, axis=0)
    return Spread(
        scales=tuple(scales.tolist()), limits=tuple(limits.tolist()), objects=len(posterior)
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
    facts = held.model_dump(include={"population", "seed", "start", "size"}) | recipe.drawing
    facts |= {} if size is None else {"size": size}
    return MockSample(survey=recipe.survey, plane=recipe.plane, **facts)


def spread_on_validation(recipe, model, *, targets, size: int | None = None) -> Spread | None:
    """Fit the spreads on the lenses that the best epoch was chosen by; the test stays unseen.

    Parameters
    ----------
    recipe : Recipe
        Of a modeller.
    model : keras.Model
        The network without calibration.
    targets : sequence of str
        What it predicts.
    size : int or None
        Number of objects, if validation is done on mocks; as many as the recipe says by default.

    Returns
    -------
    Spread or None
        None if the network answers values alone, or the recipe leaves validation to the caller.
        Of a network trained by a ``gaussian_decoder`` with the decoder that makes its posterior.
    """
    decoder = decoder_of(recipe.model_dump())
    if decoder is not None:
        model = with_draws(model, decoder)
    if not has_posterior(np.empty((0, model.output_shape[-1])), targets):
        return None
    predict, sample = fixed_predict(model), validation_sample(recipe, size)
    if sample is not None:
        found = spread_of(score_mocks(predict, sample, contract=recipe.contract()), targets)
    else:
        objects = validation_objects(recipe)
        if objects is None:
            return None
        found = fit_spread(Posterior.of(predict(objects.images), targets), objects.y)
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


def spread_of(scored: Scored, targets) -> Spread:
    """Fit the spreads on the lenses of a sample.

    Parameters
    ----------
    scored : Scored
        Objects with answers of the network without calibration.
    targets : sequence of str
        What it predicts.

    Returns
    -------
    Spread
        The fit.
    """
    truth, output = lenses_of(scored)
    return fit_spread(Posterior.of(output, targets), _true(truth, targets))


def measure_spread(model, calibration, sample: MockSample, *, contract, targets) -> dict:
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

    Returns
    -------
    dict
        As `lensfinder.training.evaluation.measure`; with a calibration also ``calibration``: its
        kind, factors and number of objects, and the 68 % coverage of each target ``before`` and
        ``after`` on this sample.
    """
    final = model if calibration is None else with_calibration(model, calibration)
    scored = score_mocks(fixed_predict(final), sample, contract=contract)
    figures = figures_of(
        scored, task="modeller", targets=targets, rng=np.random.default_rng(sample.seed)
    )
    if calibration is None:
        return figures
    truth, output = lenses_of(scored)
    posterior = Posterior.of(output, targets)
    true = _true(truth, targets)
    plain = posterior.stretched(1 / np.array(calibration.scales))
    held = {
        when: dict(zip(targets, _inside(some, true), strict=True))
        for when, some in (("before", plain), ("after", posterior))
    }
    facts = calibration.model_dump(mode="json", include={"kind", "scales", "objects"})
    return {**figures, "calibration": {**facts, **held}}


def _true(truth, targets) -> np.ndarray:
    return np.stack([np.asarray(truth[name], np.float64) for name in targets], axis=1)


def _inside(posterior, truth) -> list[float]:
    return (np.abs(posterior.cdf(truth) - 0.5) < 0.34).mean(axis=0).tolist()
