"""The frame of a profile: centred on it, its major axis along x."""


def to_major_axis(xp, x, y, phi, x0, y0):
    """Coordinates in the frame of a profile.

    Parameters
    ----------
    xp : module
        `numpy` or `keras.ops`, from `to_arrays`, which made the other arguments.
    x, y : array
        Position [arcsec].
    phi : array
        Position angle of the major axis, counter-clockwise from +x [rad].
    x0, y0 : array
        Centre of the profile [arcsec].

    Returns
    -------
    u, v : array
        Coordinates along the major and the minor axis [arcsec].
    cos_phi, sin_phi : array
        For `from_major_axis`, so that the way back costs no trigonometry.
    """
    cos_phi, sin_phi = xp.cos(phi), xp.sin(phi)
    dx, dy = x - x0, y - y0
    return cos_phi * dx + sin_phi * dy, cos_phi * dy - sin_phi * dx, cos_phi, sin_phi


def from_major_axis(u, v, cos_phi, sin_phi):
    """Turn the vector (u, v) from the frame of a profile back to the image axes."""
    return cos_phi * u - sin_phi * v, sin_phi * u + cos_phi * v
