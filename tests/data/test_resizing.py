"""OpenCV's resize as a matrix."""

import cv2
import numpy as np
import pytest

from lensfinder.data.resizing import METHODS, resize_matrix
from lensfinder.errors import UnknownNameError

FLAGS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}
SIDES = [(101, 200), (101, 66), (29, 57), (57, 29), (60, 30), (21, 21)]


@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_two_products_are_opencv(method, sides, rng):
    n_in, n_out = sides
    image = rng.normal(0, 1, (n_in, n_in)).astype(np.float32)
    matrix = resize_matrix(n_in, n_out, method)
    want = cv2.resize(image, (n_out, n_out), interpolation=FLAGS[method])
    # OpenCV computes cubic weights in fixed steps of 1/2048 of a pixel for images: measured 3e-5
    np.testing.assert_allclose(matrix @ image @ matrix.T, want, rtol=0, atol=1e-4)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=0, atol=1e-6)  # float32
    if n_in != n_out:
        other = resize_matrix(n_in, n_out, "linear" if method == "cubic" else "cubic")
        assert np.abs(other @ image @ other.T - want).max() > 1e-2


def test_an_unknown_method_lists_the_known():
    with pytest.raises(UnknownNameError, match="area"):
        resize_matrix(10, 20, "lanczos")
