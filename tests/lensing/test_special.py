"""The approximations, against exact functions."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lensfinder.lensing._array import to_arrays
from lensfinder.lensing.special import arccos_ratio_inner, arccos_ratio_outer, binet

INSIDE = np.r_[np.linspace(0.0, 1.0, 20_001), 1.0 - np.geomspace(1e-12, 1e-2, 50)]
OUTSIDE = np.r_[np.geomspace(1.0, 100.0, 20_001), 1.0 + np.geomspace(1e-12, 1e-2, 50)]


def exact_ratio(u):
    """arccos(u) / sqrt(1 - u^2) in 50 digits."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(50):
        return np.array(
            [
                1.0
                if v == 1.0
                else float(
                    mpmath.re(mpmath.acos(mpmath.mpf(v)) / mpmath.sqrt(1 - mpmath.mpf(v) ** 2))
                )
                for v in u
            ]
        )


def test_float64_is_exact():
    inside, outside = INSIDE[::40], OUTSIDE[::40]
    assert_allclose(arccos_ratio_inner(np, inside), exact_ratio(inside), rtol=2e-15)
    assert_allclose(arccos_ratio_outer(np, outside), exact_ratio(outside), rtol=2e-14)
    far = np.array([1e3, 1e6])
    assert_allclose(arccos_ratio_outer(np, far), exact_ratio(far), rtol=2e-14)


@pytest.mark.parametrize(
    ("function", "u", "limit"),
    [(arccos_ratio_inner, INSIDE, 2e-7), (arccos_ratio_outer, OUTSIDE, 6e-7)],
    ids=["inner", "outer"],
)
def test_float32_is_within_a_few_roundings(function, u, limit, tensor):
    u = u.astype(np.float32)
    ours = np.asarray(function(keras.ops, tensor(u)), dtype=np.float64)
    error = np.abs(ours / function(np, u.astype(np.float64)) - 1)
    assert error.max() < limit  # measured 1.4e-7 and 5e-7
    assert np.sqrt(np.mean(error**2)) < 1.5e-7


def test_double_tensors_take_the_exact_functions():
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is switched on for the whole process")
    u = keras.ops.convert_to_tensor(OUTSIDE, dtype="float64")
    xp, (u,) = to_arrays(u)
    ours = arccos_ratio_outer(xp, u)
    assert keras.backend.standardize_dtype(ours.dtype) == "float64"
    assert_allclose(np.asarray(ours), arccos_ratio_outer(np, OUTSIDE), rtol=1e-14)


def test_binet_completes_the_gamma_function(tensor):
    special = pytest.importorskip("scipy.special")
    z = np.geomspace(0.4, 40.0, 500)
    stirling = (z - 0.5) * np.log(z) - z + 0.5 * np.log(2 * np.pi)
    assert_allclose(stirling + binet(np, z), special.gammaln(z), rtol=0, atol=1e-11)
    assert np.abs(stirling - special.gammaln(z)).max() > 1e-3  # negative control: it is needed
    # Four terms of about 1 cancel by subtraction: 4 x 6e-8 x 2.
    assert_allclose(np.asarray(binet(keras.ops, tensor(z))), binet(np, z), rtol=0, atol=6e-7)
