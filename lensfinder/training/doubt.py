"""Teach a modeller's preset to doubt: fitted on its answers to lenses and to images of no lens.

A spread alone says little of a spiral, whose arms a modeller reads as arcs; a limit that one lens
in a hundred exceeds catches few galaxies without arcs, since the spread of some lenses is as large.
Log odds, fitted once on answers and on what the network saw before it answered, tell them apart:

    python -m lensfinder.training.doubt compact-modeller/euclid-wide-vis
"""

import dataclasses

import numpy as np

from lensfinder.errors import MetricError, PresetError
from lensfinder.posterior import Posterior, has_posterior
from lensfinder.training.card import retold
from lensfinder.training.evaluation import MockSample, headline, score_mocks
from lensfinder.training.recipe_data import DRAWN
from lensfinder.zoo import fixed_predict, open_preset, save_preset
from lensfinder.zoo.calibration import sigmoid
from lensfinder.zoo.doubt import MOST_FEATURES, SHAPE, Doubt
from lensfinder.zoo.features import feature_model

POPULATION = "finder-train"  # lenses, galaxies without arcs, rings, spirals, mergers
SIZE, SEED = 8192, 20_330
FALSE_ALARMS = 0.05
LEAST = 100  # of either kind
PER_FEATURE, SPEAKS = 20, 0.01  # mocks for each; fraction of them in which it is not as usual
RIDGE = 1e-3  # a weak pull to zero of the standardised weights: a perfect fit has no end


def fit_doubt(posterior: Posterior, kinds, features=None) -> Doubt:
    """Log odds that an image shows no lens.

    Logistic regression on `Doubt.features`, and on what the network saw. Lenses weigh as much as
    all others together, and the kinds of either alike, so that the mixture of the sample does not
    matter.

    Parameters
    ----------
    posterior : Posterior
        Of N images, with the spread it will have.
    kinds : array of str (N,)
        ``lens``, or ``lens`` and what it is of (``lens: lenses-apart``); or what else each is.
    features : array (N, F) or None
        Of the same images (`lensfinder.zoo.features`); None for a doubt of the answers alone.

    Returns
    -------
    Doubt
        The fit; its limit is the one that one lens in twenty exceeds.

    Raises
    ------
    MetricError
        If theta_E, e1 and e2 are not among the targets, or there are fewer than 100 lenses or
        others.
    """
    from scipy.optimize import minimize

    kinds = np.asarray(kinds).astype(str)
    lens = (kinds == "lens") | np.char.startswith(kinds, "lens: ")
    names = posterior.targets
    counts = int(lens.sum()), int((~lens).sum())
    if not set(SHAPE) <= set(names) or min(counts) < LEAST or len(kinds) != len(posterior):
        raise MetricError(
            f"Doubts are fitted on theta_E, e1 and e2 of {LEAST} lenses and as many others at "
            f"least. Received: {', '.join(names)}, {counts[0]} lenses and {counts[1]} others."
        )
    values, std = (
        dict(zip(names, numbers.T, strict=True)) for numbers in (posterior.mean(), posterior.std())
    )
    raw = Doubt.features(values, std)
    answered = raw.shape[1]
    if features is not None:
        seen = _speaking(np.asarray(features, np.float64), len(kinds))
        raw = np.concatenate([raw, seen], axis=1)
    weight = np.zeros(len(kinds))
    for side in (lens, ~lens):
        present = np.unique(kinds[side])
        for kind in present:
            rows = kinds == kind
            weight[rows] = 0.5 / rows.sum() / len(present)
    middle = weight @ raw[:, 1:]
    width = np.sqrt(weight @ (raw[:, 1:] - middle) ** 2)
    width = np.where(width > 0, width, 1.0)  # of a unit that never speaks: its weight stays 0
    scaled = np.concatenate([raw[:, :1], (raw[:, 1:] - middle) / width], axis=1)

    def loss(factors):
        odds = scaled @ factors
        slope = 1 / (1 + np.exp(-odds)) - ~lens
        value = weight @ (np.logaddexp(0, odds) - ~lens * odds)
        pull = RIDGE * np.concatenate([[0.0], factors[1:]])
        return value + pull @ factors / 2, scaled.T @ (weight * slope) + pull

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B").x
    factors = found[1:] / width
    weights = np.concatenate([[found[0] - factors @ middle], factors])
    limit = weighted_quantile((raw @ weights)[lens], weight[lens], 1 - FALSE_ALARMS)
    return Doubt(
        weights=tuple(weights[:answered].tolist()),
        of_features=tuple(weights[answered:].tolist()),
        limit=float(limit),
        lenses=counts[0],
        others=counts[1],
    )


def _speaking(features, count) -> np.ndarray:
    """Features, with what hardly ever speaks silenced: a weight on it would be drawn by a few."""
    if features.shape[1] > min(MOST_FEATURES, count // PER_FEATURE):
        raise MetricError(
            f"{features.shape[1]} features are too many for {count} mocks. Fit the doubt on "
            f"{PER_FEATURE * features.shape[1]} at least (--size)."
        )
    if not np.isfinite(features).all():
        raise MetricError("The network shows activations that are not finite.")
    usual = np.median(features, axis=0)
    return np.where((features != usual).mean(axis=0) >= SPEAKS, features, 0.0)


def weighted_quantile(values, weight, fraction: float) -> float:
    """The smallest value that at least a fraction of the weight does not exceed.

    Parameters
    ----------
    values, weight : array (N,)
        Numbers, and what each counts.
    fraction : float
        0 to 1.

    Returns
    -------
    float
        One of the values.
    """
    order = np.argsort(values)
    held = np.cumsum(weight[order]) / np.sum(weight)
    return float(values[order][min(np.searchsorted(held, fraction), len(order) - 1)])


def rescaled(doubt: Doubt, targets, before, after) -> Doubt:
    """The doubt of a preset whose spreads are calibrated anew.

    Its log odds are linear in logarithms of spreads, so its constant takes up what the new factors
    add to them: of theta_E exactly, of the ellipticity to first order, by the mean of e1 and e2.

    Parameters
    ----------
    doubt : Doubt
        Fitted behind the old factors.
    targets : sequence of str
        Of the preset.
    before, after : sequence of float
        Factors on the spread of each target (`lensfinder.zoo.calibration.Spread`), old and new.

    Returns
    -------
    Doubt
        With the same limit.
    """
    added = dict(zip(targets, np.log(after) - np.log(before), strict=True))
    theta, *shape = (added[name] for name in SHAPE)
    constant, of_theta, of_shape, *others = doubt.weights
    constant -= of_theta * theta + of_shape * np.mean(shape)
    weights = (float(constant), of_theta, of_shape, *others)
    return doubt.model_copy(update={"weights": weights})


def add_doubt(name_or_path, place=None, *, population=POPULATION, size=SIZE, seed=SEED):
    """Fit the doubt of a calibrated preset on mocks of its survey, and store it there.

    Parameters
    ----------
    name_or_path : str or Path
        A modeller with posteriors that are calibrated (`lensfinder.training.calibrate`).
    place : str, Path or None
        Name or folder of the new preset; by default the old one's place, which it takes.
    population : str
        Mocks of lenses and of others.
    size : int
        How many.
    seed : int
        Of the mocks.

    Returns
    -------
    Preset
        With the same weights, spreads and figures.

    Raises
    ------
    PresetError
        If the preset has no posterior, or its spread was not calibrated.
    MetricError
        If there are too few lenses or others, or the targets are not an Einstein radius and an
        ellipticity.
    """
    preset = open_preset(name_or_path)
    model, spread = preset.load(), preset.config.calibration
    if spread is None or not has_posterior(np.empty((0, model.output_shape[-1])), preset.targets):
        raise PresetError(
            f"{preset.name} has no calibrated posterior. Train one with components: 1 or more, and "
            "calibrate it first."
        )
    doubt, facts = doubt_of(preset, model, population=population, size=size, seed=seed)
    return kept(preset, doubt, place, facts=facts)


def doubt_of(preset, model, *, population=POPULATION, size=SIZE, seed=SEED, lenses_of=None):
    """Fit the doubt of a network on mocks of its survey.

    Lenses are those of the population, and a quarter as many mocks of each population that the
    preset's spreads were calibrated on. What it marks is measured on half as many others.

    Parameters
    ----------
    preset : Preset
        What the network is of.
    model : keras.Model
        The network, with the spreads it will have.
    population : str
        Mocks of lenses and of others.
    size : int
        How many of the population.
    seed : int
        Of the mocks; those after the first `size` of the same seed are to measure on.
    lenses_of : sequence of str or None
        Populations whose lenses are added; None for those that the preset was calibrated on.

    Returns
    -------
    doubt : Doubt
        The fit.
    facts : dict
        What it was fitted on, for ``metrics.json``, and the fractions of each kind that it marks.

    Raises
    ------
    MetricError
        If there are too few lenses or others, or the targets are not an Einstein radius and an
        ellipticity.
    """
    data = preset.metrics.get("data", {})  # drawn as the images of its own validation were
    drawn = {key: data[key] for key in (*DRAWN, "plane", "cleaner") if key in data}
    if lenses_of is None:
        calibrated = getattr(preset.config.calibration, "calibrated_on", ())
        lenses_of = [each.population for each in calibrated]
    names = list(dict.fromkeys([population, *lenses_of]))
    first = MockSample(preset.contract.survey, population, size, seed, **drawn)
    predict = fixed_predict(feature_model(model))
    outputs = model.output_shape[-1]

    def seen(start, count):
        parts, kinds = [], []
        for name in names:
            part = count if name == population else max(1, count // 4)
            sample = dataclasses.replace(first, population=name, start=start, size=part)
            scored = score_mocks(predict, sample, contract=preset.contract)
            lens = np.asarray(scored.truth["label"]) > 0
            others = np.asarray(scored.truth["class"]).astype(str)
            parts.append(scored.output)
            kinds.append(np.where(lens, f"lens: {name}", others))
        both = np.concatenate(parts)
        posterior = Posterior.of(both[:, :outputs], preset.targets)
        return posterior, np.concatenate(kinds), both[:, outputs:]

    doubt = fit_doubt(*seen(0, size))
    facts = dataclasses.asdict(first) | {"lenses": doubt.lenses, "others": doubt.others}
    return doubt, facts | {
        "lenses_of": names,
        "marked": marked(doubt, *seen(size, max(1, size // 2))),
    }


def marked(doubt: Doubt, posterior: Posterior, kinds, features) -> dict[str, dict]:
    """Which fraction of each kind a doubt marks.

    Parameters
    ----------
    doubt : Doubt
        Fitted on other images.
    posterior : Posterior
        Of N images.
    kinds : array of str (N,)
        What each is.
    features : array (N, F)
        Of the same images.

    Returns
    -------
    dict of str to dict
        Per kind the number of ``objects``, the ``fraction`` beyond the limit, the mean of
        ``p_no_lens`` and its log loss.
    """
    values, std = (
        dict(zip(posterior.targets, numbers.T, strict=True))
        for numbers in (posterior.mean(), posterior.std())
    )
    odds = doubt.log_odds(values, std, np.asarray(features) @ np.array(doubt.of_features))
    found = {}
    for kind in np.unique(kinds):
        of = odds[kinds == kind]
        lens = str(kind) == "lens" or str(kind).startswith("lens: ")
        found[str(kind)] = {
            "objects": len(of),
            "fraction": round(float(np.mean(of > doubt.limit)), 4),
            "p_no_lens_mean": round(float(np.mean(sigmoid(of))), 4),
            "log_loss": round(float(np.mean(np.logaddexp(0, of if lens else -of))), 4),
        }
    return found


def kept(preset, doubt: Doubt, place=None, *, facts=None):
    """Store a doubt with a preset.

    Parameters
    ----------
    preset : Preset
        A modeller whose spread is calibrated.
    doubt : Doubt
        What it gets.
    place : str, Path or None
        Name or folder of the new preset; by default the old one's place, which it takes.
    facts : dict or None
        What the doubt was fitted on, for ``metrics.json``.

    Returns
    -------
    Preset
        With the same weights, spreads and figures.
    """
    pinned = preset.name if preset.pinned else preset.folder
    figures = {**preset.metrics, "doubt": facts} if facts else preset.metrics
    return save_preset(
        pinned if place is None else place,
        preset.load(calibrated=False),
        builder=preset.config.builder,
        arguments=preset.config.arguments,
        task=preset.task,
        targets=preset.targets,
        contract=preset.contract,
        metrics=figures,
        card=retold(preset.card, figures) if facts else preset.card,
        dtype=figures.get("training", {}).get("stored_as", "float32"),
        headline=headline(figures) if "modeller" in figures else None,
        calibration=preset.config.calibration.model_copy(update={"doubt": doubt}),
        plane=preset.config.plane,
        overwrite=place is None,
    )


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--place", help="name or folder of the new preset; default: the same")
    parser.add_argument("--population", default=POPULATION)
    parser.add_argument("--size", type=int, default=SIZE)
    given = parser.parse_args()
    print(add_doubt(given.preset, given.place, population=given.population, size=given.size).folder)
