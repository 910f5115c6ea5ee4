"""Figure 4 of Maresca et al. 2021 again: where the unphysical solutions of our inversions lie.

``python benchmarks/relation.py --lenses 120`` scans the Einstein radius of mocks of `maresca2021`
over 0.15 to 3 times the true one with the shape at the truth, then climbs from the highest maximum
on either side in Einstein radius and ellipticity, the regularisation strength free throughout;
below 0.9 and above 1.1 times the true radius, the bounds of the paper's full fits. The centre stays
at the truth. ``--write`` puts the two lines into ``data_specs/relations/lensfinder.yaml``, which is
the default of `load_relation`.
"""

import argparse
import os
import sys
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402
import yaml  # noqa: E402
from _result import commit, write_result  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

from lensfinder.errors import FitError, InversionError  # noqa: E402
from lensfinder.inversion.relation import fit_line, load_relation  # noqa: E402
from lensfinder.lensing.ellipticity import Ellipticity  # noqa: E402
from lensfinder.paths import data_specs_dir  # noqa: E402
from lensfinder.training.pairs import PairSpec, Systems  # noqa: E402
from lensfinder.training.solutions import HIGHEST_UNDER, LOWEST_OVER, Scan  # noqa: E402

SEED = 20210501
FACTORS = np.arange(0.15, 3.01, 0.05)  # of the true Einstein radius
EXPECTED = {"under": 0.45, "over": 2.1}  # where a climb begins without a maximum in the scan
SIDES = {"under": (0.1, HIGHEST_UNDER), "over": (LOWEST_OVER, 3.0)}  # the paper's bounds
CLIMB = 30  # evaluations of a climb
STEPS = (0.15, 0.1, 0.1)  # of its first simplex, in ln theta_E, e1 and e2
PRIOR = {"under": 0.25, "over": 0.5}  # arcsec, half-widths of the paper's table 1
AT_BOUND = 0.02  # of the Einstein radius: no maximum, the evidence grows beyond


def fit_lenses(spec, count):
    """True and best Einstein radii of lenses (N, 3), arcsec, and how many lenses were drawn."""
    systems, rows, index = Systems(spec), [], 0
    while len(rows) < count:
        index += 1
        try:
            inverter, mass = systems.inverter(index - 1)
        except InversionError:
            continue
        masses = [mass.model_copy(update={"theta_E": f * mass.theta_E}) for f in FACTORS]
        curve = inverter.evaluate_many(masses).log_evidence
        found = (climb(inverter, mass, curve, side) for side in SIDES)
        rows.append((mass.theta_E, *found))
        print(len(rows), *(f"{value:.3f}" for value in rows[-1]), file=sys.stderr, flush=True)
    return np.array(rows), index


def climb(inverter, mass, curve, side):
    """Einstein radius of the highest evidence on one side, shape free; NaN at a bound."""
    low, high = SIDES[side]
    inside = np.flatnonzero((low < FACTORS) & (high > FACTORS))[1:-1]
    peaks = inside[(curve[inside] > curve[inside - 1]) & (curve[inside] > curve[inside + 1])]
    start = FACTORS[peaks[np.argmax(curve[peaks])]] if peaks.size else EXPECTED[side]
    shape = Ellipticity.from_axis_ratio(mass.q, mass.phi)
    first = np.array([np.log(start), shape.e1, shape.e2])
    warm = [None]  # the strength of the last evaluation, near which the next is looked for

    def cost(point):
        factor, size = np.exp(point[0]), np.hypot(point[1], point[2])
        if not low < factor < high or size > 0.8:
            return np.inf
        here = Ellipticity(point[1], point[2])
        shape = {"q": min(float(here.axis_ratio()), 1.0), "phi": float(here.position_angle())}
        update = shape | {"theta_E": float(factor * mass.theta_E)}
        try:
            found = inverter.evaluate(mass.model_copy(update=update), start=warm[0])
        except InversionError:
            return np.inf
        warm[0] = None if found.strength_at_limit else found.strength
        return -float(found.log_evidence)

    simplex = np.vstack([first, first + np.diag(STEPS)])
    best = minimize(
        cost, first, method="Nelder-Mead", options={"maxfev": CLIMB, "initial_simplex": simplex}
    )
    factor = float(np.exp(best.x[0]))
    if min(factor / low, high / factor) < 1 + AT_BOUND:
        return np.nan
    return factor * mass.theta_E


def figures_of(rows):
    """Both lines with errors, beside the paper's."""
    rng, paper = np.random.default_rng(SEED), load_relation("maresca2021")
    lines = {}
    for column, name in ((1, "under"), (2, "over")):
        try:
            line = fit_line(rows[:, 0], rows[:, column], rng=rng)
        except FitError as error:
            raise SystemExit(f"{name}: {error}") from error
        theirs = getattr(paper, f"{name}_line")
        lines[name] = line.model_dump() | {
            "without_maximum": int(np.isnan(rows[:, column]).sum()),
            "paper_slope": theirs.slope,
            "paper_intercept_arcsec": theirs.intercept,
            "back_within_prior": returned(rows[:, 0], line.inverse(rows[:, column]), name),
            "back_within_prior_paper": returned(rows[:, 0], theirs.inverse(rows[:, column]), name),
            "median_ratio": float(np.nanmedian(rows[:, column] / rows[:, 0])),
        }
    return lines


def returned(theta_E, again, name):
    """Share of the fits from which a line leads back to within the paper's next prior."""
    good = np.isfinite(again)
    return float((np.abs(again - theta_E)[good] < PRIOR[name]).mean())


def write(lines, spec, lenses, drawn):
    """The relation that `load_relation` answers by default."""
    keep = ("slope", "intercept", "slope_std", "intercept_std", "scatter", "count")
    rounded = {name: {key: round(line[key], 4) for key in keep} for name, line in lines.items()}
    data = {
        "name": "lensfinder",
        "description": "Einstein radius of the unphysical solutions, from fits of Einstein radius "
        "and ellipticity with the centre at the truth",
        "source": "benchmarks/relation.py",
        "unit": "arcsec",
        **rounded,
        "provenance": {
            "survey": spec.survey,
            "population": spec.population,
            "seed": spec.seed,
            "dimming": f"log-uniform, {spec.dimming[0]:g} to {spec.dimming[1]:g}",
            "lenses": lenses,
            "drawn": drawn,
            "source_pixels": spec.scan.source_pixels,
            "regularisation": spec.scan.regularisation,
            "commit": str(commit()),
        },
    }
    path = data_specs_dir() / "relations" / "lensfinder.yaml"
    head = "# Written by benchmarks/relation.py; measure again with --write rather than edit.\n"
    text = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=100)
    path.write_text(head + text, encoding="utf-8")


def main():
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lenses", type=int, default=120)
    parser.add_argument("--faintest", type=float, default=0.01, help="source flux, of the paper's")
    parser.add_argument("--fits", type=Path, help="keep the fits here, or take them from here")
    parser.add_argument("--write", action="store_true", help="make it the default relation")
    args = parser.parse_args()
    spec = PairSpec(seed=SEED, dimming=(args.faintest, 1.0), scan=Scan(source_pixels=200))
    if args.fits is not None and args.fits.exists():
        with np.load(args.fits, allow_pickle=False) as held:
            rows, drawn, seconds = held["rows"], int(held["drawn"]), float(held["seconds"])
    else:
        start = time.process_time()
        rows, drawn = fit_lenses(spec, args.lenses)
        seconds = time.process_time() - start
        if args.fits is not None:
            np.savez(args.fits, rows=rows, drawn=drawn, seconds=seconds)
    lines = figures_of(rows)
    figures = {
        "lenses": len(rows),
        "drawn": drawn,
        "cpu_s_per_lens": seconds / len(rows),
        "radii_arcsec": [[None if np.isnan(v) else round(v, 4) for v in row] for row in rows],
        "lines": lines,
    }
    write_result("relation", figures, seed=SEED)
    if args.write:
        write(lines, spec, len(rows), drawn)


if __name__ == "__main__":
    main()
