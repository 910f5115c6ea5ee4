"""Lensing: pure batched functions, on `keras.ops` or, for plain NumPy input, in NumPy at float64.

Every convention of the package that is physics lives here, once:

===================  ================================================  ======================
quantity             convention                                        home
===================  ================================================  ======================
position             arcsec, +x right, +y up                           every function
angle                of the major axis, radians, counter-clockwise     every function
                     from +x
ellipticity          e1, e2 = (1-q^2)/(1+q^2) (cos, sin) 2 phi         `ellipticity`
  elsewhere          lenstronomy, COOLEST, position angle east of      `ellipticity`
                     north
Einstein radius      on the intermediate axis:                         `sie`
                     kappa = theta_E / (2 sqrt(q x^2 + y^2/q))
  of other slopes    kappa = (3 - slope) / 2                           `power_law`
                     (theta_E / sqrt(q x^2 + y^2/q))^(slope - 1)
  elsewhere          Barkana (Schuldt 2021), Keeton (Pearson 2019),    `einstein_radius`
                     PyAutoLens, circular aperture
deflection           source = image - deflection                       `sie`, `shear`
external shear       alpha = (g1 x + g2 y, g2 x - g1 y): zero at the   `shear`
                     origin of the image, wherever the lens is
magnification        signed: inverse determinant of the Jacobian       `sie`
half-light radius    on the intermediate axis: R^2 = q x^2 + y^2 / q   `sersic`
  elsewhere          lenstronomy                                       `sersic`
flux                 total, to infinity; brightness per arcsec^2       `sersic`
images               without the central one, first to arrive first    `multiplicity`
delay                days after the first image, or after another      `delays`
east and north       only where the orientation of the image is known  `sky`
distance             Mpc, flat cosmologies                             `cosmology`
===================  ================================================  ======================

Arguments broadcast: for images, give positions (H, W) and parameters (N, 1, 1). Curves add two
axes: parameters (...) give vertices (..., n_points, 2).
"""

import importlib

# Name: module that holds it. Read on first use, so that importing the room costs nothing.
_HOMES = {
    "critical": (
        "caustic",
        "critical_curve",
        "cut",
        "einstein_radius_from_area",
        "polygon_area",
    ),
    "cosmology": (
        "Distances",
        "cosmology_names",
        "distances",
        "named_cosmology",
        "sigma_v_sis",
        "theta_E_sis",
        "time_delay",
    ),
    "delays": ("arrival_delays", "image_kinds", "match_images", "source_of_images"),
    "einstein_radius": (
        "theta_E_from_barkana",
        "theta_E_from_circular_aperture",
        "theta_E_from_keeton",
        "theta_E_from_pyautolens",
        "theta_E_to_barkana",
        "theta_E_to_circular_aperture",
        "theta_E_to_keeton",
        "theta_E_to_pyautolens",
    ),
    "ellipticity": ("Ellipticity",),
    "lens_equation": ("fermat_potential", "lens_jacobian", "source_position"),
    "multiplicity": ("ImagePositions", "image_count", "image_positions", "winding_number"),
    "power_law": (
        "power_law_caustic",
        "power_law_convergence",
        "power_law_critical_curve",
        "power_law_deflection",
        "power_law_magnification",
    ),
    "sersic": (
        "double_sersic",
        "flux_from_magnitude",
        "magnitude_from_flux",
        "sersic_b",
        "sersic_profile",
        "sersic_to_lenstronomy",
    ),
    "shear": ("shear_deflection", "shear_potential"),
    "sie": (
        "sie_convergence",
        "sie_deflection",
        "sie_magnification",
        "sie_potential",
        "sie_shear",
    ),
    "sky": ("Orientation", "compass"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__():
    return sorted({*globals(), *_HOME_OF})
