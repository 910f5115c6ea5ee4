import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder.zoo.layers import QuantileSketch


@pytest.fixture
def sky(rng):
    """Pixels with a faint sky of both signs and a tail of light over five decades: (20000, 2)."""
    noise = rng.normal(0, 0.02, (20_000, 2))
    return noise + np.where(rng.random((20_000, 2)) < 0.1, 10 ** rng.uniform(-2, 3, (20_000, 2)), 0)


@pytest.mark.parametrize("percent", [0.0, 0.1, 2.0, 15.87, 50.0, 98.0, 99.0, 99.9, 100.0])
def test_percentiles_are_pixels_of_that_rank_within_the_stated_error(sky, percent):
    sketch = QuantileSketch(2)
    sketch.update(sky)
    exact = np.percentile(sky, percent, axis=0, method="nearest")
    # the stated error, and 1 % of itself for rounding in the logarithm; 1e-6 near zero
    assert_allclose(sketch.percentile(percent), exact, rtol=1.01e-3, atol=1e-6)
    assert not np.allclose(1.01 * sketch.percentile(percent), exact, rtol=1.01e-3, atol=1e-6)


def test_order_and_size_of_batches_do_not_matter(sky):
    whole, parts = QuantileSketch(2), QuantileSketch(2)
    whole.update(sky.reshape(20, 100, 10, 2))
    for part in np.array_split(sky[::-1], 7):
        parts.update(part)
    for percent in (0.1, 50, 99.9):
        assert_array_equal(whole.percentile(percent), parts.percentile(percent))
    assert whole.count == parts.count == 20_000


def test_pixels_that_are_not_finite_are_left_out_and_counted():
    sketch = QuantileSketch(1)
    sketch.update(np.array([[1.0], [np.nan], [np.inf], [3.0], [2.0]]))
    assert sketch.dropped == 2
    assert_allclose(sketch.percentile(50), 2.0, rtol=1e-3)  # the sketch's own error
    assert_allclose(sketch.percentile(100), 3.0, rtol=1e-3)


def test_zero_and_huge_values_keep_their_place():
    sketch = QuantileSketch(1)
    sketch.update(np.array([[-1e30], [0.0], [0.0], [1e30]]))
    assert sketch.percentile(0)[0] < -1e11
    assert sketch.percentile(50)[0] == 0.0
    assert sketch.percentile(100)[0] > 1e11


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="at least one band"):
        QuantileSketch(0)
    with pytest.raises(ValueError, match="Expected 2 bands"):
        QuantileSketch(2).update(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="no finite pixel"):
        QuantileSketch(2).percentile(50)
    with pytest.raises(ValueError, match="between 0 and 100"):
        QuantileSketch(1).percentile(101)
