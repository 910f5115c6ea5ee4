"""How fast a lens is inverted, against PyAutoLens on the same lens in the same run, on one thread.

``python benchmarks/inversion.py --autolens PYTHON``, PYTHON the interpreter of an environment with
``autolens==2026.7.29.1``. A lens of 100 x 100 pixels of 0.1 arcsec, an annular mask, 28 x 28 source
pixels, bilinear, `constant` regularisation of fixed strength, 4 x 4 rays per pixel, a PSF of
11 x 11: the two codes then compute the same evidence, which is checked before anything is timed.
They take turns, because the machine may be shared; times are processor time of one likelihood, from
a new mass model to its evidence, and the smallest of as many turns for both. A busy machine slows
PyAutoLens more (it moves more memory): quote the load with a ratio.

``--regression FILE`` writes what PyAutoLens answers for the small lenses of
tests/inversion/test_autolens.py instead.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["PYAUTO_SKIP_WORKSPACE_VERSION_CHECK"] = "1"

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "inversion"))

import numpy as np  # noqa: E402
from _result import commit, write_result  # noqa: E402
from scipy.linalg.lapack import dpotrf, dsygst, dsytrd  # noqa: E402
from systems import Source, a_lens, autolens_cases, autolens_problem  # noqa: E402

from lensfinder.inversion import (  # noqa: E402
    AdaptiveGrid,
    Inverter,
    MassModel,
    RectangularGrid,
    Regularisation,
)
from lensfinder.inversion.regularisation import log_determinant  # noqa: E402
from lensfinder.inversion.system import curvature, mapping_matrix  # noqa: E402

SEED = 1
MASS = MassModel(theta_E=1.6, q=0.8, phi=0.4, x=0.02, gamma1=0.03, gamma2=-0.02)
STRENGTH = 0.2
AGREEMENT = 1e-6  # relative, of the evidence of the two codes


class PyAutoLens:
    """The other interpreter, waiting for words."""

    def __init__(self, python, problem):
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "problem.npz"
        np.savez(path, **problem)
        self._process = subprocess.Popen(
            [python, "-W", "ignore", HERE / "inversion_autolens.py", path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self._folder.name,
        )
        self._answer()

    def ask(self, word):
        """What it answers to a word."""
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return json.loads(self._answer())

    def _answer(self):
        for line in self._process.stdout:
            if line.startswith("> "):
                return line[2:]
        raise SystemExit("PyAutoLens ended before it answered. Run inversion_autolens.py by hand.")

    def close(self):
        """End it."""
        self._process.communicate("\n")
        self._folder.cleanup()


def smallest(make, turns):
    """Least processor time of a call, in ms."""
    best = np.inf
    for _ in range(turns):
        start = time.process_time()
        make()
        best = min(best, time.process_time() - start)
    return 1e3 * best


def lens_of(side, inner, outer):
    """The lens of this benchmark, in a stamp and an annulus of some size."""
    return a_lens(seed=SEED, mass=MASS, source=Source(), side=side, inner=inner, outer=outer)


def inverter_of(lens, source, **regularisation):
    """Our side of a lens."""
    kind = Regularisation(**regularisation)
    return Inverter(lens.image, lens.noise, **lens.known, source=source, regularisation=kind)


def against(python, lens, turns):
    """Both codes on one lens in turns; with PyAutoLens' two solvers."""
    shape = (28, 28)
    ours = inverter_of(lens, RectangularGrid(shape=shape), floor=1e-8 / STRENGTH)
    masses = [MASS.model_copy(update={"theta_E": 1.6 + 1e-4 * k}) for k in range(turns)]
    figures = {"image_pixels": len(ours.observation), "source_pixels": shape[0] * shape[1]}
    for solver in ("free", "positive"):
        problem = autolens_problem(lens, MASS, shape=shape, strength=STRENGTH, solver=solver)
        theirs = PyAutoLens(python, problem)
        answer = theirs.ask("fit")
        evidence = ours.evaluate(MASS, strength=STRENGTH).log_evidence
        difference = answer["log_evidence"] / evidence - 1
        if solver == "free" and abs(difference) > AGREEMENT:
            raise SystemExit(f"The two codes do not compute the same: {difference:.2e}.")
        mine, other, wall = [], [], []
        for mass in masses:
            mine.append(smallest(lambda mass=mass: ours.evaluate(mass, strength=STRENGTH), 1))
            seconds = theirs.ask("time")
            other.append(1e3 * seconds["cpu_s"])
            wall.append(1e3 * seconds["wall_s"])
        figures[f"pyautolens_{solver}_solver"] = {
            "evidence_relative_difference": difference,
            "lensfinder_ms": min(mine),
            "lensfinder_median_ms": float(np.median(mine)),
            "pyautolens_ms": min(other),
            "pyautolens_median_ms": float(np.median(other)),
            "pyautolens_wall_ms": min(wall),
            "ratio": min(other) / min(mine),
            "pyautolens_peak_MiB": theirs.ask("memory")["peak_MiB"],
        }
        theirs.close()
    return figures


def without(source, lens, turns):
    """Our figures on one lens, without the other code."""
    ours = inverter_of(lens, source)
    system = ours.system(MASS)
    strength = ours.evaluate(MASS).strength
    searches = {"cold": [], "warm": []}
    for start, kind in ((None, "cold"), (1.2 * strength, "warm")):
        searches[kind] = smallest(lambda start=start: ours.evaluate(MASS, start=start), turns)
    rows = np.diff(system.seen.indptr).astype(float)
    return {
        "image_pixels": len(ours.observation),
        "source_pixels": len(system.mesh),
        "density_of_blurred_mapping": system.seen.nnz / np.prod(system.seen.shape),
        "evaluate_ms": smallest(lambda: ours.evaluate(MASS, strength=strength), turns),
        "evaluate_with_cold_search_ms": searches["cold"],
        "evaluate_with_warm_search_ms": searches["warm"],
        "invert_ms": smallest(lambda: ours.invert(MASS, strength=strength), turns),
        "sparse_curvature_MFLOP": float((rows**2).sum()) / 1e6,
        "dense_curvature_MFLOP": rows.size * len(system.mesh) ** 2 / 1e6,
        "cholesky_MFLOP": len(system.mesh) ** 3 / 3e6,
    }


def stages(lens, turns):
    """Where the time of an evaluation goes."""
    ours = inverter_of(lens, RectangularGrid())
    system = ours.system(MASS)
    numbers, weights = system.mesh.mapping(*MASS.trace(*ours._rays))
    factor = system.factor(STRENGTH)
    parts = {
        "trace": lambda: MASS.trace(*ours._rays),
        "weights": lambda: system.mesh.mapping(*MASS.trace(*ours._rays)),
        "mapping": lambda: mapping_matrix(numbers, weights, ours._average, len(system.mesh)),
        "blur": lambda: ours._blur @ system.sharp,
        "curvature": lambda: curvature(system.seen, ours.observation.tiles),
        "curvature_sparse_product": lambda: system.seen.T @ system.seen,
        "regularisation": lambda: log_determinant(ours.regularisation.matrix(system.mesh)),
        "cholesky": lambda: system.factor(STRENGTH),
        "solve_and_terms": lambda: system.terms(STRENGTH, factor),
    }
    found = {f"{name}_ms": smallest(make, turns) for name, make in parts.items()}
    found["weights_ms"] -= found["trace_ms"]
    dense = system.seen.toarray()
    found["curvature_dense_product_ms"] = smallest(lambda: dense.T @ dense, turns // 2)
    found["tridiagonal_for_all_strengths_ms"] = tridiagonal(system, turns // 2)
    return found


def tridiagonal(system, turns):
    """The other way to search for lambda: C = R R^T, then R^-1 F R^-T to tridiagonal form.

    Everything for any lambda follows from that form in a time proportional to S.
    """
    factor, _ = dpotrf(np.asfortranarray(system.C.toarray()), lower=1)
    F = np.asfortranarray(system.F)

    def reduce():
        reduced, _ = dsygst(F, factor, lower=1)
        dsytrd(reduced, lower=1, lwork=64 * len(F))

    return smallest(reduce, turns)


def ceiling():
    """GFLOP/s of a float64 matrix product on this core."""
    a = np.random.default_rng(1).random((1000, 1000))
    return 2e9 / smallest(lambda: a @ a, 20) / 1e6


def growth(turns):
    """Cost against numbers of pixels and of source pixels."""
    lenses = {outer: lens_of(100, 0.8, outer) for outer in (2.0, 3.05, 4.0, 4.9)}
    pixels = [without(RectangularGrid(), lens, turns) for lens in lenses.values()]
    lens = lenses[3.05]
    sources = [without(RectangularGrid(shape=(n, n)), lens, turns) for n in (14, 20, 28, 40)]
    adaptive = [without(AdaptiveGrid(pixels=n), lens, turns) for n in (200, 400, 800, 1600)]
    return {"with_pixels": pixels, "with_source_pixels": sources, "adaptive": adaptive}


def floor(compared, parts, gflops):
    """Time of the arithmetic alone, and how far the whole is from it."""
    cholesky = compared["source_pixels"] ** 3 / 3e6 / gflops
    dense = cholesky + compared["image_pixels"] * compared["source_pixels"] ** 2 / 1e6 / gflops
    total = compared["pyautolens_free_solver"]["lensfinder_ms"]
    return {
        "matrix_product_GFLOP_per_s": gflops,
        "dense_arithmetic_ms": dense,
        "cholesky_alone_ms": cholesky,
        "evaluate_over_dense_arithmetic": total / dense,
        "evaluate_over_cholesky_alone": total / cholesky,
        "share_of_time_in_cholesky": parts["cholesky_ms"] / total,
    }


def regression(python, path):
    """What PyAutoLens answers for the lenses of the tests."""
    answers = {}
    for name, (lens, mass, shape, strength, kind) in autolens_cases().items():
        words = dict(shape=shape, strength=strength, regularisation=kind)
        theirs = PyAutoLens(python, autolens_problem(lens, mass, **words))
        answers[name], version = theirs.ask("fit"), theirs.ask("version")
        theirs.close()
    text = {
        "command": "python benchmarks/inversion.py --autolens PYTHON --regression FILE",
        "inputs": "autolens_cases() of tests/inversion/systems.py",
        "commit": commit(),
        "answers": answers,
    }
    Path(path).write_text(json.dumps(text | version, indent=1) + "\n", encoding="utf-8")


def main():
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--autolens", required=True, help="python with autolens==2026.7.29.1")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--regression", help="write this file instead")
    args = parser.parse_args()
    if args.regression:
        regression(args.autolens, args.regression)
        return
    lens = lens_of(100, 0.8, 3.05)
    compared = against(args.autolens, lens, args.turns)
    parts = stages(lens, args.turns)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "lens": compared,
        "lensfinder_peak_MiB": peak,
        "stages": parts,
        "floor": floor(compared, parts, ceiling()),
        "growth": growth(max(3, args.turns // 4)),
        "goal_ratio": 20,
        "aim_ratio": 50,
    }
    write_result("inversion", figures, seed=SEED)


if __name__ == "__main__":
    main()
