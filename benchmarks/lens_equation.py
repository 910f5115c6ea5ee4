"""How fast and how exactly images are found, against lenstronomy's solver, on one core.

Random SIE lenses with shear; sources within the longest reach of their caustics, denser towards the
middle, so that singles, doubles and quads occur. Ours runs on all systems, lenstronomy, which takes
minutes for thousands, on the first of them (``--lenstronomy``, or ``--all``). Where the numbers of
images differ, lenstronomy searches again, wider and on finer grids, and the distance of the source
from the nearest caustic or cut is measured: images merge there, and a search may lose both.

lenstronomy's image at the centre, of no magnification, is dropped. Speed is per second of processor
time, because the machine may be shared.
"""

import argparse
import os
import sys
import time

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402
from _result import write_result  # noqa: E402

from lensfinder.lensing import (  # noqa: E402
    Ellipticity,
    caustic,
    cut,
    image_count,
    image_positions,
    named_cosmology,
    source_position,
    time_delay,
)

SEED = 1
Z_LENS, Z_SRC, COSMOLOGY = 0.5, 1.5, "schuldt2021"
SAME = 1e-6  # arcsec: two searches found one image
FAINT = 1e-6  # magnification of what lenstronomy finds at the centre
# The second search: (share of the widest window, grid [arcsec]); lenstronomy's default is 10 arcsec
# about the origin and 0.1. Near the centre, where the last image of a cut goes, it is finer.
# Its steps are partly random and lose such images now and then, so there are several tries.
FINER = ((1.0, 0.02), (0.15, 0.004), (0.15, 0.0031), (0.05, 0.001))


def systems(count):
    """Lenses and sources of `count` systems, arrays."""
    rng = np.random.default_rng(SEED)
    gamma, angle = rng.uniform(0, 0.15, count), rng.uniform(0, 2 * np.pi, count)
    lens = dict(
        theta_E=rng.uniform(0.5, 2.5, count),
        q=rng.uniform(0.3, 1.0, count),
        phi=rng.uniform(-np.pi / 2, np.pi / 2, count),
        x0=rng.normal(0, 0.05, count),
        y0=rng.normal(0, 0.05, count),
        gamma1=gamma * np.cos(angle),
        gamma2=gamma * np.sin(angle),
    )
    curves = np.concatenate([cut(**lens), caustic(**lens)], axis=1)
    centre = curves[:, :256].mean(axis=1)
    reach = np.hypot(*np.moveaxis(curves - centre[:, None], -1, 0)).max(axis=1)
    r, t = reach * rng.uniform(0, 1, count), rng.uniform(0, 2 * np.pi, count)
    return lens, centre[:, 0] + r * np.cos(t), centre[:, 1] + r * np.sin(t)


def distance_to_caustic(lens, x, y):
    """Distance [arcsec] of one source from the nearest caustic or cut."""
    shortest = np.inf
    for curve in (caustic(**lens, n_points=8192), cut(**lens, n_points=8192)):
        start, end = curve, np.roll(curve, -1, axis=0)
        along, to = end - start, np.array([x, y]) - start
        length = np.maximum((along**2).sum(axis=1), 1e-300)
        t = np.clip((to * along).sum(axis=1) / length, 0, 1)[:, None]
        shortest = min(shortest, np.hypot(*(to - t * along).T).min())
    return float(shortest)


class Lenstronomy:
    """lenstronomy's solver with its default settings, and a finer search."""

    def __init__(self):
        from lenstronomy.LensModel.lens_model import LensModel
        from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver

        self.model = LensModel(
            ["SIE", "SHEAR"], z_lens=Z_LENS, z_source=Z_SRC, cosmo=named_cosmology(COSMOLOGY)
        )
        self.solver = LensEquationSolver(self.model)

    def kwargs(self, p):
        e1, e2 = Ellipticity.from_axis_ratio(p["q"], p["phi"]).to_lenstronomy()
        sie = dict(theta_E=p["theta_E"], e1=e1, e2=e2, center_x=p["x0"], center_y=p["y0"])
        return [sie, dict(gamma1=p["gamma1"], gamma2=p["gamma2"], ra_0=0.0, dec_0=0.0)]

    def __call__(self, p, x, y, **settings):
        """Positions and arrival times [day] of the images, and the seconds they took."""
        kwargs, before = self.kwargs(p), time.process_time()
        found = self.solver.image_position_from_source(x, y, kwargs, **settings)
        seconds = time.process_time() - before
        x_image, y_image = np.atleast_1d(found[0]), np.atleast_1d(found[1])
        if not x_image.size:
            return x_image, y_image, x_image, seconds
        bright = np.abs(self.model.magnification(x_image, y_image, kwargs)) > FAINT
        return *self._by_arrival(p, x, y, x_image[bright], y_image[bright]), seconds

    def finer(self, p, x, y):
        """Positions and arrival times of the images of several searches together."""
        # No image is farther than this from the lens: |M r| <= |beta - M x_lens| + |alpha|.
        widest = 2 * (np.hypot(x - p["x0"], y - p["y0"]) + 2 * p["theta_E"]) / 0.85
        found_x, found_y = np.zeros(0), np.zeros(0)
        for share, step in FINER:
            window = dict(x_center=p["x0"], y_center=p["y0"], search_window=share * widest)
            more_x, more_y, *_ = self(p, x, y, min_distance=step, **window)
            gap = np.hypot(more_x[:, None] - found_x, more_y[:, None] - found_y)
            new = gap.min(axis=1, initial=np.inf) > SAME
            found_x, found_y = np.append(found_x, more_x[new]), np.append(found_y, more_y[new])
        return self._by_arrival(p, x, y, found_x, found_y)

    def _by_arrival(self, p, x, y, x_image, y_image):
        kwargs = self.kwargs(p)
        days = self.model.arrival_time(x_image, y_image, kwargs, x_source=x, y_source=y)
        order = np.argsort(days)
        return x_image[order], y_image[order], days[order] - days.min(initial=np.inf)


def speed(lens, x, y, repeat=3):
    """Systems per second of processor time, the best of `repeat`."""
    best = np.inf
    for _ in range(repeat):
        before = time.process_time()
        image_positions(x, y, **lens)
        best = min(best, time.process_time() - before)
    return x.size / best


def compare(lens, x, y, ours, count):
    """Figures of the first `count` systems beside lenstronomy's."""
    theirs, seconds, differs = Lenstronomy(), 0.0, []
    gap, relative = [], []
    for i in range(count):
        p = {name: float(values[i]) for name, values in lens.items()}
        xi, yi, days, spent = theirs(p, x[i], y[i])
        seconds += spent
        n = int(ours.count[i])
        if xi.size != n:
            first_count = xi.size
            xi, yi, days = theirs.finer(p, x[i], y[i])
            differs.append((i, first_count, xi.size, distance_to_caustic(p, x[i], y[i])))
        if xi.size == n:
            mine = np.stack([ours.x[i, :n], ours.y[i, :n]])
            pairs = np.hypot(*(np.stack([xi, yi])[:, :, None] - mine[:, None]))
            nearest = pairs.argmin(axis=1)
            gap.append(pairs.min(axis=1).max())
            delay = time_delay(ours.fermat[i, :n] - ours.fermat[i, 0], Z_LENS, Z_SRC, COSMOLOGY)
            first = np.argmin(days)
            other = np.arange(n) != first
            mine_days = (delay[nearest] - delay[nearest[first]])[other]
            relative.extend(np.abs(mine_days - days[other]) / np.maximum(np.abs(days[other]), 1e-9))
        if (i + 1) % 200 == 0:
            print(f"{i + 1} of {count}: {len(differs)} differ", file=sys.stderr, flush=True)
    agree = count - len(differs)
    still = [item for item in differs if item[2] != ours.count[item[0]]]
    caustics = 0  # agree with us there
    residual = 0.0  # of our images in the systems that still differ, by lenstronomy's ray shooting
    for i, *_ in still:
        p = {name: float(values[i]) for name, values in lens.items()}
        mine = [part[i, : ours.count[i]] for part in (ours.x, ours.y)]
        caustics += int(image_count(x[i], y[i], **p, n_points=8192) == ours.count[i])
        back = theirs.model.ray_shooting(*mine, theirs.kwargs(p))
        residual = max(residual, np.hypot(back[0] - x[i], back[1] - y[i]).max())
    gap, relative = np.array(gap), np.array(relative)
    return {
        "systems": count,
        "lenstronomy_systems_per_s": round(count / seconds, 2),
        "same_number_fraction": agree / count,
        "same_number_fraction_after_finer_search": 1 - len(still) / count,
        "still_different": len(still),
        "still_different_within_1e-3_arcsec_of_a_caustic": sum(d < 1e-3 for *_, d in still),
        "still_different_where_caustics_agree_with_ours": caustics,
        "residual_of_ours_by_lenstronomy_where_still_different_arcsec": float(f"{residual:.3g}"),
        "differing": [
            {
                "system": i,
                "ours": int(ours.count[i]),
                "lenstronomy": int(n),
                "lenstronomy_finer": int(m),
                "distance_to_caustic_arcsec": float(f"{d:.3g}"),
            }
            for i, n, m, d in differs
        ],
        "farthest_from_caustic_after_finer_search_arcsec": max((d for *_, d in still), default=0.0),
        "position_difference_max_arcsec": float(f"{gap.max():.3g}"),
        "position_difference_p999_arcsec": float(f"{np.percentile(gap, 99.9):.3g}"),
        "delay_relative_difference_max": float(f"{relative.max():.3g}"),
        "delay_relative_difference_p999": float(f"{np.percentile(relative, 99.9):.3g}"),
        "delays_beyond_1e-4": int((relative > 1e-4).sum()),
        "delays": int(relative.size),
    }


def main():
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="systems for our solver")
    parser.add_argument("--lenstronomy", type=int, default=300, help="systems for lenstronomy")
    parser.add_argument("--all", action="store_true", help="all systems for lenstronomy too")
    parser.add_argument("--folder", help="where to write instead of benchmarks/results")
    options = parser.parse_args()
    np.random.seed(SEED)  # lenstronomy's solver draws from it
    lens, x, y = systems(options.count)
    ours = image_positions(x, y, **lens)
    there = np.isfinite(ours.x)
    back = source_position(ours.x, ours.y, **{k: v[:, None] for k, v in lens.items()})
    residual = np.hypot(back[0] - x[:, None], back[1] - y[:, None])[there]
    figures = {
        "systems": options.count,
        "systems_per_s": round(speed(lens, x, y)),
        "systems_with_1_2_3_4_images": np.bincount(ours.count, minlength=5)[1:5].tolist(),
        "residual_max_arcsec": float(f"{residual.max():.3g}"),
        "lenstronomy": compare(
            lens, x, y, ours, options.count if options.all else min(options.lenstronomy, x.size)
        ),
    }
    rate = figures["lenstronomy"]["lenstronomy_systems_per_s"]
    figures["times_faster"] = round(figures["systems_per_s"] / rate)
    write_result("lens_equation", figures, seed=SEED, folder=options.folder)


if __name__ == "__main__":
    main()
