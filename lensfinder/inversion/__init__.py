"""Semi-linear inversion: given the mass of a lens, the source behind its image, and the evidence.

The image is ``d = B f s + n``: source s, lensing f, blurring B, noise n. With a prior
``exp(-lambda s^T C s / 2)`` the most probable source solves one linear system (Warren & Dye 2003),
and the evidence ranks mass models and lambda (Suyu et al. 2006). `invert` is the door; `Inverter`
keeps what many mass models of one lens share; `invert_dense` is the slow reference.

    result = invert(image, noise, psf=psf, mass=MassModel(theta_E=1.2, q=0.8), pixel_scale=0.1)
    result.log_evidence, result.source, result.normalised_residual, result.magnification
"""

import importlib

# Name: module that holds it. Read on first use, so that a mask does not cost scikit-image.
_HOMES = {
    "engine": ("Inverter", "invert"),
    "lens_fit": ("Estimate", "LensFit", "Maximum"),
    "memory": ("Memory",),
    "light": ("LensLight", "fit_light"),
    "one_lens": ("fit_lens",),
    "parametric": ("maximise", "nested"),
    "priors": ("MassPrior",),
    "search": ("Progress",),
    "frame": ("classifier_inputs", "classifier_inputs_from_arrays", "reconstruction_contract"),
    "grids": ("AdaptiveGrid", "RectangularGrid"),
    "mask": ("AnnularMask", "annular_mask"),
    "mass": ("Mass", "MassModel"),
    "meshes": ("DelaunayMesh", "RectangularMesh"),
    "observation": ("Observation", "observe"),
    "pixels": ("annulus",),
    "reference": ("invert_dense",),
    "regularisation": ("Regularisation",),
    "relation": ("Line", "Relation", "load_relation", "relation_names"),
    "result": ("Evidence", "Inversion"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__():
    return sorted({*globals(), *_HOME_OF})
