"""How fast mocks are drawn, against lenstronomy at equal measured accuracy, on one core.

SIE, shear, one Sérsic lens and one Sérsic source with Euclid's VIS exposure, pixels of 0.1 arcsec,
a Gaussian PSF of 0.17 arcsec, noise added; stamps of 57 and of 200 pixels. lenstronomy draws them
with 3 x 3 points per pixel, and convolves either whole pixels, its default, or those points. Ours
are drawn with the cheapest of some samplings whose error (99th percentile over all pixels, and rms,
as fractions of the peak) is not larger than lenstronomy's on the same systems. The reference has
6 x 6 Gauss-Legendre nodes in every pixel and 32 x 32 in the 400 roughest; how well it agrees with
lenstronomy at 25 x 25 points, convolved as points, is measured too.

Speed is per second of processor time, because the machine may be shared; the process holds one
core. The arithmetic limit is the number of floating-point operations, each counted as one whatever
it costs, over the speed of a matrix product on the same core.
"""

import argparse
import itertools
import os
import resource
import time

CORE = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {CORE})
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ[_name] = "1"
os.environ |= {
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
}
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np  # noqa: E402
from _result import write_result  # noqa: E402

from lensfinder.lensing.ellipticity import Ellipticity  # noqa: E402
from lensfinder.lensing.sersic import sersic_to_lenstronomy  # noqa: E402
from lensfinder.simulate import FAST, STANDARD, Sampling, Scene, Simulator  # noqa: E402
from lensfinder.simulate.programs import NoiseProgram, RenderProgram  # noqa: E402
from lensfinder.simulate.random import object_keys  # noqa: E402
from lensfinder.simulate.render import Renderer  # noqa: E402
from lensfinder.simulate.scene import unpack  # noqa: E402
from lensfinder.specs import load_survey  # noqa: E402

SEED = 1
STAMPS = {57: 1.0, 200: 2.0}  # pixels: how far arcs reach, as a factor on theta_E
REFERENCE = Sampling(base=6, levels=((400, 32),))
CANDIDATES = {
    "1 node": Sampling(base=1, levels=()),
    "1 node, 16 pixels refined": Sampling(base=1, levels=((16, 4),)),
    "1 node, 32 pixels refined": Sampling(base=1, levels=((32, 4),)),
    "1 node, 4 + 64 pixels refined": Sampling(base=1, levels=((4, 8), (64, 3))),
    "1 node, 96 pixels refined": Sampling(base=1, levels=((96, 4),)),
    "1 node, 8 + 96 pixels refined": Sampling(base=1, levels=((8, 12), (96, 4))),
    "2 nodes": Sampling(base=2, levels=()),
    "2 nodes, 16 pixels refined": Sampling(base=2, levels=((16, 4),)),
    "FAST": FAST,
    "STANDARD": STANDARD,
}


def vis_survey(stamp):
    """Euclid VIS with stamps of `stamp` pixels."""
    survey = load_survey("euclid-vis")
    group = survey.groups[0].model_copy(update={"stamp": stamp})
    return survey.model_copy(update={"groups": (group,)})


def systems(count, stamp):
    """Random lenses with shear; Sérsic indices of 0.5 to 6, axis ratios down to 0.2."""
    rng = np.random.default_rng([SEED, stamp])
    scene = Scene.empty(count, 1, lens=1, source=1)
    gamma, angle = rng.uniform(0, 0.1, count), rng.uniform(0, 2 * np.pi, count)
    mass = [rng.uniform(0.6, 2.0, count) * STAMPS[stamp], rng.uniform(0.2, 1, count)]
    mass += [rng.uniform(0, np.pi, count), *rng.normal(0, 0.1, (2, count))]
    scene.mass[:] = np.stack([*mass, gamma * np.cos(angle), gamma * np.sin(angle)], axis=1)

    def light(x, y, smallest, largest):
        shape = [x, y, rng.uniform(smallest, largest, count), rng.uniform(0.5, 6, count)]
        shape += [rng.uniform(0.2, 1, count), rng.uniform(0, np.pi, count)]
        return np.stack(shape, axis=1)

    scene.lens[:, 0] = light(scene.mass[:, 3], scene.mass[:, 4], 0.3, 1.5)
    scene.source[:, 0] = light(*rng.normal(0, 0.2, (2, count)), 0.1, 0.5)
    scene.lens_flux[:, 0] = rng.uniform(10, 100, (count, 1))
    scene.source_flux[:, 0] = rng.uniform(2, 20, (count, 1))
    return scene


# --- lenstronomy ----------------------------------------------------------------------------------
class Lenstronomy:
    """Draws the same scenes; everything that can be is made once."""

    def __init__(self, survey, *, factor=3, convolve_fine=False, margin=0):
        from lenstronomy.Data.imaging_data import ImageData
        from lenstronomy.Data.psf import PSF
        from lenstronomy.ImSim.image_model import ImageModel
        from lenstronomy.LensModel.lens_model import LensModel
        from lenstronomy.LightModel.light_model import LightModel

        group, self.band = survey.groups[0], survey.bands[0]
        side, scale = group.stamp + 2 * margin, group.pixel_scale
        corner = -(side - 1) / 2 * scale
        self.inner = slice(margin, side - margin)
        data = ImageData(
            image_data=np.zeros((side, side)),
            ra_at_xy_0=corner,
            dec_at_xy_0=corner,
            transform_pix2angle=scale * np.eye(2),
        )
        self.model = ImageModel(
            data,
            PSF("GAUSSIAN", fwhm=self.band.psf_fwhm, pixel_size=scale),
            LensModel(["SIE", "SHEAR"]),
            LightModel(["SERSIC_ELLIPSE"]),
            LightModel(["SERSIC_ELLIPSE"]),
            kwargs_numerics={
                "supersampling_factor": factor,
                "supersampling_convolution": convolve_fine,
            },
        )

    def arguments(self, scene, k):
        """Lens, source and lens light of object k in lenstronomy's words."""
        theta_E, q, phi, x, y, gamma1, gamma2 = map(float, scene.mass[k])
        sie = {"theta_E": theta_E, "center_x": x, "center_y": y} | _shape(q, phi)
        parts = []
        for light, flux in ((scene.source, scene.source_flux), (scene.lens, scene.lens_flux)):
            x, y, R_e, n, q, phi = map(float, light[k, 0])
            amp, radius = sersic_to_lenstronomy(float(flux[k, 0, 0]), R_e, n)
            terms = {"amp": amp, "R_sersic": radius, "n_sersic": n, "center_x": x, "center_y": y}
            parts.append([terms | _shape(q, phi)])
        return [sie, {"gamma1": gamma1, "gamma2": gamma2}], *parts

    def draw(self, arguments):
        """A noiseless image."""
        return self.model.image(*arguments)[self.inner, self.inner]

    def observe(self, image, rng):
        """The same noise as ours."""
        band, seconds = self.band, self.band.total_time
        background = (band.sky + band.dark_current) * seconds
        electrons = rng.poisson(image * seconds + background) - background
        readout = rng.normal(0, band.read_noise * band.n_exposures**0.5, image.shape)
        return (electrons + readout) / seconds


def _shape(q, phi):
    e1, e2 = Ellipticity.from_axis_ratio(q, phi).to_lenstronomy()
    return {"e1": float(e1), "e2": float(e2)}


# --- ours -----------------------------------------------------------------------------------------
def render(renderer, scene, at_once):
    """Noiseless images without compilation, a few at a time."""
    parts = []
    for start in range(0, len(scene), at_once):
        found = renderer(scene.take(slice(start, start + at_once)).arrays())
        parts.append(np.asarray(found["source/vis"]) + np.asarray(found["rest/vis"]))
    return np.concatenate(parts)[..., 0].astype(np.float64)


def errors(images, reference):
    """99th percentile and rms of the difference, in units of each image's peak."""
    difference = (images - reference) / reference.max(axis=(1, 2), keepdims=True)
    return {
        "p99_of_peak": float(np.quantile(np.abs(difference), 0.99)),
        "rms_of_peak": float(np.sqrt(np.mean(difference**2))),
    }


def nodes(sampling, renderer):
    """How many nodes a sampling has."""
    return len(renderer._grid[0]) ** 2 + sum(count * order**2 for count, order in sampling.levels)


def rate(make, count, seconds):
    """Objects per second of processor time; best of three, because others use the caches too."""
    make()
    found = []
    for _ in range(3):
        done, start = 0, time.process_time()
        while time.process_time() - start < seconds:
            make()
            done += count
        found.append(done / (time.process_time() - start))
    return max(found)


def operations(program, scene):
    """Floating-point operations of a renderer per object, as TensorFlow's profiler counts them."""
    import tensorflow as tf

    def draw(packed):
        return program.renderer(unpack(packed, scene.shapes()))

    graph = tf.function(draw, autograph=False).get_concrete_function(
        tf.TensorSpec(scene.packed().shape, tf.float32)
    )
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    found = tf.compat.v1.profiler.profile(graph.graph, cmd="op", options=options)
    return found.total_float_ops / len(scene)


def matmul_ceiling():
    """GFLOP/s of a float32 matrix product on this core."""
    a = np.random.default_rng(1).random((1024, 1024), dtype=np.float32)
    return rate(lambda: a @ a, 1, 0.3) * 2 * 1024**3 / 1e9


# --- the comparison -------------------------------------------------------------------------------
def compare(stamp, count, seconds):
    """All figures of one stamp size."""
    survey, scene = vis_survey(stamp), systems(64, stamp)
    some = scene.take(slice(0, count))
    at_once = 4 if stamp < 100 else 1
    reference = render(Renderer(survey, REFERENCE), some, at_once)
    figures = {"systems": count, "samplings": {}}
    for name, sampling in CANDIDATES.items():
        renderer = Renderer(survey, sampling)
        found = errors(render(renderer, some, at_once), reference)
        figures["samplings"][name] = found | {"nodes": nodes(sampling, renderer)}
    if stamp < 100:
        exact = Lenstronomy(survey, factor=25, convolve_fine=True, margin=8)
        images = [exact.draw(exact.arguments(scene, k)) for k in range(min(count, 6))]
        found = errors(np.stack(images), reference[: len(images)])
        figures["reference_against_lenstronomy_25x"] = found
    for name, fine in (("convolving pixels", False), ("convolving points", True)):
        figures[f"lenstronomy {name}"] = theirs = _theirs(survey, scene, fine, reference, seconds)
        for other in (_cheapest(figures["samplings"], theirs), "FAST", "STANDARD"):
            ours = figures["samplings"][other]
            if "images_per_s" not in ours:
                ours |= _speed(survey, CANDIDATES[other], scene, seconds)
        chosen = _cheapest(figures["samplings"], theirs)
        theirs["as_accurate_as"] = chosen
        speed = figures["samplings"][chosen]["images_per_s"]
        theirs["ratio_at_equal_accuracy"] = speed / theirs["images_per_s"]
    return figures


def _theirs(survey, scene, fine, reference, seconds):
    """Errors and speed of lenstronomy with 3 x 3 points; its better convolution needs no margin."""
    theirs = Lenstronomy(survey, convolve_fine=fine)
    arguments = [theirs.arguments(scene, k) for k in range(len(scene))]
    found = errors(np.stack([theirs.draw(a) for a in arguments[: len(reference)]]), reference)
    rng, k = np.random.default_rng(SEED), itertools.count()

    def draw():
        theirs.observe(theirs.draw(arguments[next(k) % len(arguments)]), rng)

    return found | {"images_per_s": rate(draw, 1, seconds)}


def _cheapest(samplings, theirs):
    """The sampling of fewest nodes that is as accurate, or the most accurate there is."""
    keys = ("p99_of_peak", "rms_of_peak")
    good = [
        name for name, found in samplings.items() if all(found[key] <= theirs[key] for key in keys)
    ]
    return min(good, key=lambda name: samplings[name]["nodes"]) if good else "STANDARD"


def _speed(survey, sampling, scene, seconds):
    program, noise = RenderProgram(survey, sampling), NoiseProgram(survey)
    keys = object_keys(SEED, np.arange(len(scene)), 1)

    def draw():
        source, rest = program(scene)
        noise({"vis": source["vis"] + rest["vis"]}, keys)

    speed, noiseless = rate(draw, len(scene), seconds), rate(lambda: program(scene), 64, seconds)
    work = operations(program, scene)
    return {
        "images_per_s": speed,
        "noiseless_images_per_s": noiseless,
        "Mflop_per_image": work / 1e6,
        "Gflop_per_s": work * noiseless / 1e9,
    }


def memory(count):
    """Resident memory while mocks are streamed; MB after each tenth."""
    simulator, seen = Simulator("euclid-vis", "maresca2021", seed=SEED), []
    step, start = count // 10, time.process_time()
    for done, mocks in enumerate(simulator.stream(count=count, batch=step // 4), 1):
        assert len(mocks.images["vis"]) == step // 4
        if done % 4 == 0:
            with open("/proc/self/statm", encoding="ascii") as file:
                seen.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    spent = time.process_time() - start
    return {
        "images": count,
        "resident_MB": [round(value) for value in seen],
        "growth_of_second_half_bytes_per_image": 1e6 * (seen[-1] - seen[4]) / (count / 2),
        "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "images_per_s": count / spent,
    }


def rounded(figures):
    """Four digits; more is noise."""
    if isinstance(figures, dict):
        return {key: rounded(value) for key, value in figures.items()}
    return float(f"{figures:.4g}") if isinstance(figures, float) else figures


def main():
    """Measure everything and write ``results/simulate.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look at the speed in a minute")
    parser.add_argument("--folder", help="where results go (default: benchmarks/results)")
    options = parser.parse_args()
    count, seconds, images = (3, 0.5, 2_000) if options.quick else (20, 3.0, 100_000)
    figures = {"memory": memory(images), "matmul_Gflop_per_s": matmul_ceiling()}
    for stamp in STAMPS:
        figures[f"{stamp} px"] = found = compare(stamp, count, seconds)
        for ours in found["samplings"].values():
            if "Gflop_per_s" in ours:
                share = ours["Gflop_per_s"] / figures["matmul_Gflop_per_s"]
                ours["share_of_matmul_ceiling"] = share
    write_result("simulate", rounded(figures), seed=SEED, folder=options.folder)


if __name__ == "__main__":
    main()
