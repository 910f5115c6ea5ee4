"""How a fit should divide the source: grids compared on mocks whose mass is known.

``python benchmarks/source_grid.py --lenses 40`` inverts mocks of `maresca2021`, dimmed as those of
benchmarks/audit.py but of another seed, with the true mass and with three that are wrong: the
radius 5 % too large, and turned by 20 degrees either way. For every grid it varies the number of
source pixels by some percent, which means nothing physical, and writes what then happens to the log
evidence of the true mass and to its lead over the wrong ones. A grid is good if the evidence is
high, and if it does not depend on such an accident.
"""

import argparse
import os
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402
from _result import write_result  # noqa: E402
from audit import DIMMING, mocks_of  # noqa: E402

from lensfinder.errors import InversionError  # noqa: E402
from lensfinder.inversion import AdaptiveGrid, Inverter, Regularisation, annular_mask  # noqa: E402
from lensfinder.inversion.one_lens import BRIGHT, FEWEST_PIXELS, MOST_PIXELS, RELIEF  # noqa: E402

SEED = 4711
VARIED = (0.94, 0.96, 0.98, 1.0, 1.02)  # of the number of source pixels
# bright, relief, and how many source pixels in units of what a fit takes
GRIDS = {
    "fit": (BRIGHT, RELIEF, 1.0),
    "no_relief": (BRIGHT, 0.0, 1.0),
    "half_of_both": (0.5 * BRIGHT, 0.5 * RELIEF, 1.0),
    "by_magnification_alone": (0.0, 0.0, 1.0),
    "brighter": (1.5 * BRIGHT, RELIEF, 1.0),
    "half_as_many": (BRIGHT, RELIEF, 0.5),
    "twice_as_many": (BRIGHT, RELIEF, 2.0),
}


def wrong_masses(mass):
    """The true mass with a radius 5 % larger, and turned either way."""
    changes = [{"theta_E": 1.05 * mass.theta_E}]
    changes += [{"phi": mass.phi + sign * np.radians(20.0)} for sign in (1, -1)]
    return [mass.model_copy(update=change) for change in changes]


def of_one_lens(image, noise, mass, *, psf, pixel_scale):
    """Log evidence (K, 1 + wrong masses) for each grid of K numbers, and seconds per model."""
    mask = annular_mask(image, noise, pixel_scale=pixel_scale)
    fitted = int(mask.pixels.sum())
    usual = np.clip(fitted // 8, min(FEWEST_PIXELS, fitted // 4), MOST_PIXELS)
    known = dict(psf=psf, pixel_scale=pixel_scale, mask=mask)
    known["regularisation"] = Regularisation(kind="gradient")
    found = {}
    for name, (bright, relief, share) in GRIDS.items():
        started, rows = time.process_time(), []
        for factor in VARIED:
            count = int(min(usual * share * factor, 0.6 * fitted))
            grid = AdaptiveGrid(pixels=count, sub=2, bright=bright, relief=relief)
            inverter = Inverter(image, noise, source=grid, **known)
            rows.append([_log_evidence(inverter, m) for m in (mass, *wrong_masses(mass))])
        seconds = (time.process_time() - started) / np.size(rows)
        found[name] = np.array(rows), seconds
    return found


def _log_evidence(inverter, mass):
    try:
        return inverter.evaluate(mass).log_evidence
    except InversionError:
        return np.nan


def figures_of(lenses):
    """Medians and means over the lenses, grid by grid."""
    figures = {}
    for name in GRIDS:
        values = np.array([lens[name][0] for lens in lenses])  # lenses, numbers, masses
        fit = np.array([lens["fit"][0] for lens in lenses])
        higher = np.nanmean(values[..., 0], axis=1) - np.nanmean(fit[..., 0], axis=1)
        leads = values[..., :1] - values[..., 1:]
        scatter = np.nanstd(leads, axis=1)
        figures[name] = {
            **dict(zip(("bright", "relief", "times_as_many"), GRIDS[name])),
            "log_evidence_of_the_truth_less_that_of_fit_mean": float(np.nanmean(higher)),
            "log_evidence_of_the_truth_less_that_of_fit_median": float(np.nanmedian(higher)),
            "scatter_of_the_log_evidence_median": float(
                np.nanmedian(np.nanstd(values[..., 0], axis=1))
            ),
            "scatter_of_the_lead_of_the_truth_median": float(np.nanmedian(scatter)),
            "scatter_of_the_lead_of_the_truth_p90": float(np.nanpercentile(scatter, 90)),
            "wrong_mass_preferred_share": float(np.nanmean(leads < 0)),
            "without_a_value_share": float(np.isnan(values).mean()),
            "cpu_ms_per_model": 1e3 * float(np.median([lens[name][1] for lens in lenses])),
        }
    return figures


def main():
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lenses", type=int, default=40)
    parser.add_argument("--folder", default=None, help="where the result goes")
    args = parser.parse_args()
    lenses, psf, scale, tried = mocks_of(args.lenses, seed=SEED)
    done = []
    for index, image, noise, mass in lenses:
        done.append(of_one_lens(image, noise, mass, psf=psf, pixel_scale=scale))
        print(f"mock {index}: {len(done)} of {len(lenses)}", flush=True)
    figures = figures_of(done) | {
        "settings": {"lenses": len(done), "mocks_tried": tried, "dimming": DIMMING},
    }
    write_result("source_grid", figures, seed=SEED, folder=args.folder)


if __name__ == "__main__":
    main()
