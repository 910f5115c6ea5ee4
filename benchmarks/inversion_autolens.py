"""The other side of `inversion.py`: PyAutoLens inverts the lens it is handed, when told to.

Run by the interpreter of an environment with ``autolens==2026.7.29.1``, which cannot share one with
lensfinder: ``python inversion_autolens.py problem.npz``. It then reads one word per line: `fit`
answers with a line of JSON, the numbers of an inversion; `time` with seconds of processor time and
of wall time of one likelihood; `memory` with the peak in MiB; an empty line ends it. The imports
of PyAutoLens print, so that answers start with ``> ``.

The problem holds ``image noise psf mask`` in our orientation (row 0 at the bottom; mask True where
fitted), ``scale``, ``mass`` (einstein_radius and ell_comps in PyAutoLens' words, centre y, x,
gamma_1, gamma_2), ``shape``, ``strength``, ``sub``, ``regularisation`` and ``solver``.
"""

import json
import resource
import sys
import time

import autolens as al
import numpy as np


def flipped(image):
    """An image with row 0 at the top."""
    return np.ascontiguousarray(np.asarray(image)[::-1])


class Problem:
    """A lens in PyAutoLens' words."""

    def __init__(self, path):
        known = np.load(path)
        scale, sub = float(known["scale"]), int(known["sub"])
        mask = al.Mask2D(mask=~flipped(known["mask"]), pixel_scales=scale)
        kernel = al.Array2D.no_mask(flipped(known["psf"]), pixel_scales=scale)
        dataset = al.Imaging(
            data=al.Array2D.no_mask(flipped(known["image"]), pixel_scales=scale),
            noise_map=al.Array2D.no_mask(flipped(known["noise"]), pixel_scales=scale),
            psf=al.Convolver(kernel=kernel, use_fft=True),
            check_noise_map=False,
        )
        dataset = dataset.apply_mask(mask=mask)
        self.dataset = dataset.apply_over_sampling(over_sample_size_pixelization=sub)
        radius, e_y, e_x, y, x, gamma_1, gamma_2 = map(float, known["mass"])
        self.lens = al.Galaxy(
            redshift=0.5,
            mass=al.mp.Isothermal(centre=(y, x), einstein_radius=radius, ell_comps=(e_y, e_x)),
            shear=al.mp.ExternalShear(gamma_1=gamma_1, gamma_2=gamma_2),
        )
        # PyAutoLens multiplies by the square of its coefficient.
        coefficient = float(known["strength"]) ** 0.5
        kind = {"constant": al.reg.Constant, "zeroth": al.reg.Zeroth}[str(known["regularisation"])]
        self.pixelization = al.Pixelization(
            mesh=al.mesh.RectangularUniform(shape=tuple(int(n) for n in known["shape"])),
            regularization=kind(coefficient=coefficient),
        )
        positive = str(known["solver"]) == "positive"
        self.settings = al.Settings(
            use_positive_only_solver=positive,
            use_edge_zeroed_pixels=positive,
            use_border_relocator=False,
        )

    def fit(self):
        """A new fit, nothing kept from the last."""
        source = al.Galaxy(redshift=1.0, pixelization=self.pixelization)
        tracer = al.Tracer(galaxies=[self.lens, source])
        return al.FitImaging(dataset=self.dataset, tracer=tracer, settings=self.settings)

    def answer(self):
        """The numbers of an inversion, in our orientation."""
        fit = self.fit()
        inversion = fit.inversion
        shape = self.pixelization.mesh.shape
        source = np.asarray(inversion.reconstruction).reshape(shape)[::-1]
        model = np.asarray(fit.model_data.native.array)[::-1]
        return {
            "log_evidence": float(fit.log_evidence),
            "chi2": float(fit.chi_squared),
            "smoothness": float(inversion.regularization_term),
            "log_det_curvature": float(inversion.log_det_curvature_reg_matrix_term),
            "log_det_regularisation": float(inversion.log_det_regularization_matrix_term),
            "log_noise": float(fit.noise_normalization),
            "source": [float(f"{v:.8g}") for v in source.ravel()],
            "model_rms": float(np.sqrt(np.mean(model**2))),
            "model_peak": float(model.max()),
        }

    def seconds(self):
        """Processor and wall time of one likelihood."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.fit().log_evidence  # noqa: B018  (computed when asked for)
        return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def main():
    """Answer until told to stop."""
    problem = Problem(sys.argv[1])
    words = {
        "fit": problem.answer,
        "time": problem.seconds,
        "version": lambda: {"autolens": al.__version__},
        "memory": lambda: {"peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024},
    }
    print("> ready", flush=True)
    for line in sys.stdin:
        if not line.strip():
            return
        print("> " + json.dumps(words[line.strip()]()), flush=True)


if __name__ == "__main__":
    main()
