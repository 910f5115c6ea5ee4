"""What the networks of Madireddy et al. know of their own errors: doubts, and posteriors.

A metric of doubt is worth its name if the fifth of the objects that it calls most doubtful is wrong
more often than the rest. Posteriors are mixtures over draws, of codes or of the last layer's
weights, each with the width that the Gaussian decoder was trained with; their spread is calibrated
on one half of the lenses and measured on the other, beside posteriors that are wrong on purpose.
"""

import numpy as np

from lensfinder.errors import MetricError
from lensfinder.posterior import Posterior
from lensfinder.report.latent import latent_map, plot_latent, plot_latent_images
from lensfinder.training.coverage import posterior_figures
from lensfinder.training.spread_calibration import fit_spread
from lensfinder.zoo import fixed_predict, posterior_samples
from lensfinder.zoo.decoder import Decoder, with_draws
from lensfinder.zoo.vib import entropy, joint_likelihood, latent_codes, predict_draws

DRAWS, FIFTH, SEED = 50, 0.2, 20_220_398
MAPPED = 1000  # objects on a latent map


def draws_of(model, images) -> np.ndarray:
    """Answers (draws, N, outputs): codes of a bottleneck, or weights of a DenseFlipout layer."""
    make = predict_draws if model.name == "vib" else posterior_samples
    return np.asarray(make(model, images, draws=DRAWS, seed=SEED), np.float64)


def split_by_doubt(wrong, doubt) -> dict:
    """Mean of `wrong` over all, over the fifth of largest `doubt`, and over the rest."""
    last = np.argsort(doubt, kind="stable")[-max(1, round(FIFTH * len(doubt))) :]
    doubtful = np.zeros(len(doubt), bool)
    doubtful[last] = True
    return {
        "all": float(np.mean(wrong)),
        "doubtful_fifth": float(np.mean(wrong[doubtful])),
        "rest": float(np.mean(wrong[~doubtful])),
    }


def finder_doubts(model, images, label) -> dict:
    """Share of wrong answers by each metric that the finder has."""
    if model.name == "vib":
        draws = draws_of(model, images)[..., 0]
        score = draws.mean(axis=0)
        metrics = {
            "entropy": entropy(score),
            "spread of draws": draws.std(axis=0),
            "joint likelihood": -joint_likelihood(model, images),
        }
    else:
        score = model.predict(images, batch_size=16, verbose=0)[:, 0].astype(float)
        metrics = {"entropy": entropy(score)}
    wrong = (score >= 0.5) != (label == 1)
    return {name: split_by_doubt(wrong, doubt) for name, doubt in metrics.items()}


def modeller_doubts(model, images, truth, span, noise) -> dict:
    """Mean absolute error, as a share of the range, by each metric that the modeller has."""
    draws = draws_of(model, images)
    error = (np.abs(draws.mean(axis=0) - truth) / span).mean(axis=1)
    metrics = {"spread of draws": (draws.std(axis=0) / span).mean(axis=1)}
    if model.name == "vib":
        metrics["joint likelihood"] = -joint_likelihood(model, images, noise=noise)
    return {name: split_by_doubt(error, doubt) for name, doubt in metrics.items()}


def modeller_coverage(model, images, truth, targets, noise, *, scales=None) -> dict:
    """Coverage of the posterior of one half of the lenses, calibrated on the other if not given."""
    decoder = Decoder(noise=tuple(map(float, noise)), draws=DRAWS)
    answers = fixed_predict(with_draws(model, decoder), batch_size=64)(images)
    posterior = Posterior.of(answers, targets)
    half = np.arange(len(truth)) % 2 == 0
    try:
        scales = scales or fit_spread(posterior.rows(half), truth[half]).scales
    except MetricError as error:
        return {"not_calibrated": str(error)}
    found = posterior_figures(
        posterior.rows(~half).stretched(scales), truth[~half], rng=np.random.default_rng(SEED)
    )
    return {"spread_times": [round(scale, 4) for scale in scales], **found}


def latent_figures(model, images, columns, folder, name) -> list:
    """Figures 4 to 6: maps of codes by each column, and with the images in their places."""
    ((group, stack),) = images.items()
    codes, _ = latent_codes(model, {group: stack[:MAPPED]})
    places = latent_map(codes)
    folder.mkdir(parents=True, exist_ok=True)
    shown = {key: np.asarray(values)[:MAPPED] for key, values in columns.items()}
    return [
        plot_latent(places, shown, folder / f"{name}-codes.png"),
        plot_latent_images(places, stack[:MAPPED], folder / f"{name}-images.png"),
    ]
