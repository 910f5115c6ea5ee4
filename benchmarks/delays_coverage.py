"""Whether the errors of image positions and delays are right: how often they hold the truth.

Mocks whose images and delays are known are modelled by a preset. The observer knows the redshifts
and where the first image is, as in Schuldt et al. (2021), and `lensfinder delays` predicts the
others, with errors from the network's posterior. Counted is how often the interval between the 16th
and the 84th percentile holds the true position and the true delay of a further image (68 % would be
right), and whether the probability of each number of images is as often right as it says. Intervals
are of the draws with the predicted number of images, so they count where that number is right;
`in_68_of_all` counts every image of the other systems as missed.

Three ways to give `delays` the posterior: the columns of the table, each by itself; draws, in which
parameters hang together; and draws with errors for centre and shear, of which the network says
nothing. These are the standard deviations of the population, which a user has to know.
"""

import argparse

import numpy as np
from _result import figures_of, write_result
from astropy.table import Table

import lensfinder
from lensfinder.lensing.cosmology import distances
from lensfinder.lensing.delays import arrival_delays, match_images
from lensfinder.lensing.multiplicity import ImagePositions, image_positions
from lensfinder.model import model
from lensfinder.posterior import Posterior
from lensfinder.predict import modeller_of, posterior_of
from lensfinder.tables import read_lenses

PRESET = "compact-modeller/euclid-vis-posterior"
# population: scatter of centre [arcsec] and shear, as its file has it, per axis
POPULATIONS = {
    "pearson2019-test": {"x_lens": 0.1, "y_lens": 0.1},
    "lenses-apart": {"x_lens": 0.15, "y_lens": 0.15, "gamma1": 0.03, "gamma2": 0.03},
}
SEED = 20_311_000  # of no preset's training, validation or test
COSMOLOGY = "pearson2019"
QUANTITIES = ("x_image", "y_image", "delay")
WIDTH = 4  # images of an SIE lens with shear, at most


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default=PRESET)
    parser.add_argument("--mocks", type=int, default=1500, help="of each population")
    parser.add_argument("--draws", type=int, default=300, help="of each lens")
    parser.add_argument("--folder", default=None, help="where the result goes")
    options = parser.parse_args()
    figures = figures_of(run, options)
    write_result("delays_coverage", figures, seed=SEED, folder=options.folder)


def run(options) -> dict:
    """Figures of every population."""
    survey = modeller_of(options.preset).contract.survey
    found = {}
    for population, scatter in POPULATIONS.items():
        simulator = lensfinder.Simulator(survey, population, seed=SEED)
        truth, table, draws = modelled(simulator, options)
        found[population] = {"lenses": len(table), "survey": survey, "scatter_given": scatter}
        for name, given in ways(draws, scatter).items():
            predicted = lensfinder.delays(
                table, cosmology=COSMOLOGY, draws=options.draws, seed=SEED, **given
            )
            found[population][name] = compared(truth, predicted)
    facts = {"preset": options.preset, "mocks": options.mocks, "draws": options.draws}
    return {**facts, "populations": found}


def ways(draws, scatter) -> dict:
    """Options of `delays`, by what they are called in the result."""
    return {
        "columns": {},
        "draws": {"posterior": draws},
        "draws_and_scatter": {"posterior": draws, "sigma": scatter},
    }


def modelled(simulator, options):
    """True images, what `model` says of the lenses with what is observed, and draws.

    Lenses with one image are left out: there is nothing further to predict.
    """
    shown, known = [], []
    for mocks in simulator.stream(start=0, count=options.mocks, batch=64):
        shown.append(mocks.images)
        known.append(mocks.truth)
    images = {name: np.concatenate([part[name] for part in shown]) for name in shown[0]}
    columns = ("theta_E", "q", "phi", "x_lens", "y_lens", "gamma1", "gamma2")
    columns += ("x_src", "y_src", "z_lens", "z_src")
    truth = Table({n: np.concatenate([np.asarray(p[n], float) for p in known]) for n in columns})
    lens = read_lenses(truth).lens()
    true = image_positions(truth["x_src"].data, truth["y_src"].data, **lens)
    keep = np.flatnonzero(true.count > 1)
    true = ImagePositions(*(part[keep] for part in true))
    delay = arrival_delays(
        true, truth["z_lens"].data[keep], truth["z_src"].data[keep], distances(COSMOLOGY)
    )
    images = {name: part[keep] for name, part in images.items()}
    table = model(images, preset=options.preset, report=False)
    table["x_obs"], table["y_obs"] = true.x[:, 0], true.y[:, 0]
    table["z_lens"], table["z_src"] = truth["z_lens"][keep], truth["z_src"][keep]
    posterior: Posterior = posterior_of(options.preset, images)
    drawn = posterior.sample(options.draws, rng=np.random.default_rng(SEED))
    draws = {name: drawn[:, :, k].T for k, name in enumerate(posterior.targets)}
    return {"images": true, "delay": delay}, table, {**draws, "id": np.asarray(table["id"])}


def compared(truth, predicted) -> dict:
    """How often the intervals of one prediction hold the truth."""
    columns = ["mu", *QUANTITIES, *(n + e for n in QUANTITIES for e in ("_p16", "_p50", "_p84"))]
    theirs, number = by_system(predicted, columns)
    true = truth["images"]
    count = true.count
    order = match_images(_positions(theirs, number), true)
    usable = (order >= 0) & (np.arange(order.shape[1]) > 0)  # the first image was observed
    picked = {
        name: np.take_along_axis(values, np.maximum(order, 0), axis=1)
        for name, values in theirs.items()
    }
    values = {"x_image": true.x, "y_image": true.y, "delay": truth["delay"]}
    figures = {"right_number_of_images": float((number == count).mean())}
    for name in QUANTITIES:
        low, high = picked[f"{name}_p16"], picked[f"{name}_p84"]
        some = usable & np.isfinite(low + high + values[name])
        inside = (values[name] >= low) & (values[name] <= high)
        figures[name] = {
            "further_images": int(some.sum()),
            "in_68": float(inside[some].mean()),
            "in_68_of_all": float(inside[some].sum() / (count - 1).sum()),
            **_by_number(inside, some, count),
            "median_half_width": float(np.median((high - low)[some] / 2)),
            "median_absolute_error": float(np.median(np.abs(picked[name] - values[name])[some])),
        }
    chances, _ = by_system(predicted, [f"p_{n}" for n in (1, 2, 3, 4)])
    figures["number_of_images"] = _numbers(chances, count)
    return figures


def by_system(table, columns):
    """Columns of a table of one row per image as arrays (systems, images); and their numbers."""
    ids = np.asarray(table["id"], dtype="U")
    _, first, counts = np.unique(ids, return_index=True, return_counts=True)
    first, counts = first[np.argsort(first)], counts[np.argsort(first)]
    row = first[:, None] + np.minimum(np.arange(WIDTH), counts[:, None] - 1)
    there = np.arange(WIDTH) < counts[:, None]
    arrays = {}
    for name in columns:
        values = np.asarray(table[name], float)[row]
        arrays[name] = values if name.startswith("p_") else np.where(there, values, np.nan)
    return arrays, np.asarray(table["n_images"])[first]


def _positions(theirs, number):
    """What `match_images` takes; the potential is needed for its order alone, which is there."""
    arrival = np.where(np.isfinite(theirs["x_image"]), np.arange(WIDTH, dtype=float), np.nan)
    return ImagePositions(theirs["x_image"], theirs["y_image"], theirs["mu"], arrival, number)


def _by_number(inside, some, count):
    """The share of doubles and of quads."""
    groups = {"in_68_doubles": count == 2, "in_68_quads": count == 4}
    return {
        name: float(inside[some & which[:, None]].mean())
        for name, which in groups.items()
        if (some & which[:, None]).any()
    }


def _numbers(chances, count):
    """Whether a probability of two images (of four) is as often right as it says."""
    found = {}
    for number in (2, 4):
        chance = chances[f"p_{number}"][:, 0]
        known = np.isfinite(chance)
        edges = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0001])
        bins = np.digitize(chance[known], edges) - 1
        right = count[known] == number
        found[f"p_{number}"] = [
            {
                "from": float(edges[k]),
                "to": float(min(edges[k + 1], 1.0)),
                "lenses": int((bins == k).sum()),
                "mean_probability": float(chance[known][bins == k].mean()),
                "share_with_as_many": float(right[bins == k].mean()),
            }
            for k in range(len(edges) - 1)
            if (bins == k).sum() >= 10
        ]
    return found


if __name__ == "__main__":
    main()
