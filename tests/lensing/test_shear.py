"""External shear: its potential, its Jacobian, and its sign."""

import numpy as np
from numpy.testing import assert_allclose

from lensfinder.lensing.shear import shear_deflection, shear_potential


def test_deflection_is_the_gradient_of_the_potential(rng):
    x, y, gamma1, gamma2 = rng.normal(0, 1, (4, 50))
    shear, h = dict(gamma1=gamma1, gamma2=gamma2, x0=0.3, y0=-0.2), 1e-3
    # Central differences of a quadratic have no truncation error: rounding only, 1e-16 / h.
    along_x = shear_potential(x + h, y, **shear) - shear_potential(x - h, y, **shear)
    along_y = shear_potential(x, y + h, **shear) - shear_potential(x, y - h, **shear)
    alpha = shear_deflection(x, y, **shear)
    assert_allclose(np.divide([along_x, along_y], 2 * h), alpha, rtol=0, atol=1e-11)
    assert np.abs(np.subtract(alpha, shear_deflection(x, y, gamma1=gamma1, gamma2=-gamma2))).max()


def test_positive_gamma1_stretches_images_along_x():
    # source = (1 - Gamma) image: an image 1 / (1 - 0.1) wide along x comes from a source of 1.
    alpha_x, alpha_y = shear_deflection(1.0, 1.0, gamma1=0.1, gamma2=0.0)
    assert_allclose([1 - alpha_x, 1 - alpha_y], [0.9, 1.1])


def test_no_deflection_at_the_centre_of_the_shear(tensor):
    at_centre = shear_deflection(tensor(0.5), 0.25, gamma1=0.1, gamma2=0.2, x0=0.5, y0=0.25)
    assert_allclose(np.asarray(at_centre), 0.0)
