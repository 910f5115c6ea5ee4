"""OpenCV's resize as a matrix, so that a model can carry it and run on any backend."""

from functools import lru_cache

import numpy as np

from lensfinder.errors import UnknownNameError

METHODS = ("linear", "area", "cubic")


@lru_cache(maxsize=64)
def resize_matrix(n_in: int, n_out: int, method: str = "linear") -> np.ndarray:
    """Weights of the input pixels in each output pixel of `cv2.resize`, along one axis.

    OpenCV's interpolations are separable and linear in the pixels, so what it makes of the unit
    vectors says all there is to know: ``cv2.resize(image, (n, n)) = M @ image @ M.T``. It keeps the
    brightness of a pixel, not the flux; `lensfinder.data.resample` does the latter.

    Parameters
    ----------
    n_in, n_out : int
        Side of the image before and after, in pixels.
    method : {"linear", "area", "cubic"}
        ``INTER_LINEAR``, ``INTER_AREA`` or ``INTER_CUBIC``.

    Returns
    -------
    array (n_out, n_in) float32
        Rows sum to 1.

    Raises
    ------
    UnknownNameError
        If the method is unknown.
    """
    if method not in METHODS:
        raise UnknownNameError("resize method", method, METHODS)
    import cv2

    flag = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}[method]
    units = np.eye(n_in, dtype=np.float64)
    if method != "area":
        return cv2.resize(units, (n_in, n_out), interpolation=flag).astype(np.float32)
    # OpenCV averages areas only where both axes shrink, so both are changed; along the second the
    # image is constant, and stays so
    columns = [
        cv2.resize(np.repeat(unit[:, None], n_in, axis=1), (n_out, n_out), interpolation=flag)[:, 0]
        for unit in units
    ]
    return np.stack(columns, axis=1).astype(np.float32)
