"""Converters of the Einstein radius: each against the convergence its source writes down."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.lensing import einstein_radius as er
from lensfinder.lensing.sie import sie_convergence

Q = np.array([0.2, 0.5, 0.8, 0.98, 1.0])[:, None]


def xi(x, y, q):
    """Elliptical radius on the major axis, as all the sources define it."""
    return np.sqrt(x**2 + y**2 / q**2)


FOREIGN_CONVERGENCE = {
    "barkana": lambda x, y, value, q: value / ((1 + q) * xi(x, y, q)),
    "pyautolens": lambda x, y, value, q: 1 / (1 + q) * (value / xi(x, y, q)),
    "keeton": lambda x, y, value, q: value / 2 / xi(x, y, q),
}


@pytest.mark.parametrize("name", FOREIGN_CONVERGENCE)
def test_converted_radius_gives_the_same_convergence_map(name, rng):
    x, y = rng.normal(0, 1, (2, 1, 200))
    ours = sie_convergence(x, y, theta_E=getattr(er, f"theta_E_from_{name}")(1.4, Q), q=Q, phi=0.0)
    theirs = FOREIGN_CONVERGENCE[name](x, y, 1.4, Q)
    assert_allclose(ours, theirs, rtol=1e-12)
    unconverted = sie_convergence(x, y, theta_E=1.4, q=Q, phi=0.0)
    assert np.abs(unconverted / theirs - 1)[0].max() > 0.1  # negative control, at q = 0.2


@pytest.mark.parametrize("name", [*FOREIGN_CONVERGENCE, "circular_aperture"])
def test_round_trip(name, tensor):
    there, back = (getattr(er, f"theta_E_{way}_{name}") for way in ("to", "from"))
    assert_allclose(back(there(1.4, Q), Q), np.full_like(Q, 1.4), rtol=1e-14)
    assert_allclose(np.asarray(back(there(1.4, tensor(Q)), tensor(Q))), 1.4, rtol=1e-6)


def test_mean_convergence_inside_the_circular_aperture_is_one():
    t = np.arange(4096) * 2 * np.pi / 4096  # periodic and smooth: exponentially accurate
    radius = er.theta_E_to_circular_aperture(1.4, Q)
    kappa = sie_convergence(radius * np.cos(t), radius * np.sin(t), theta_E=1.4, q=Q, phi=0.3)
    # kappa falls as 1 / r in every direction, so its mean inside is twice that on the circle.
    assert_allclose(2 * kappa.mean(axis=1), 1.0, rtol=1e-10)
    ours = sie_convergence(1.4 * np.cos(t), 1.4 * np.sin(t), theta_E=1.4, q=Q, phi=0.3)
    assert abs(2 * ours.mean(axis=1)[0] - 1) > 0.1


def test_every_converter_is_the_identity_for_a_circle():
    for name in [*FOREIGN_CONVERGENCE, "circular_aperture"]:
        assert_allclose(getattr(er, f"theta_E_from_{name}")(1.4, 1.0), 1.4, rtol=1e-15)
