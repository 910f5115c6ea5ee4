"""Surface brightness of a scene at any positions: lens, source, neighbours, structure."""

from keras import ops

from lensfinder.lensing.sersic import sersic_profile
from lensfinder.lensing.shear import shear_deflection
from lensfinder.lensing.sie import sie_deflection


def column(parameters, k):
    """Parameter k of every object, shaped to broadcast over two axes of positions."""
    return parameters[:, k][:, None, None]


def source_plane(mass, x, y):
    """Where light rays through (x, y) start in the source plane.

    Parameters
    ----------
    mass : tensor (N, 7)
        `scene.MASS`.
    x, y : tensors that broadcast to (N, A, B)
        Image-plane positions, arcsec.

    Returns
    -------
    pair of tensors (N, A, B)
        Source-plane positions, arcsec.
    """
    theta_E, q, phi, x0, y0, gamma1, gamma2 = (column(mass, k) for k in range(7))
    ax, ay = sie_deflection(x, y, theta_E=theta_E, q=q, phi=phi, x0=x0, y0=y0)
    # about the stamp's centre, as `image_positions` and lenstronomy have it
    sx, sy = shear_deflection(x, y, gamma1=gamma1, gamma2=gamma2)
    return x - ax - sx, y - ay - sy


def sersic_sum(light, flux, x, y):
    """Sum of Sérsic components per band.

    Parameters
    ----------
    light : tensor (N, C, 6)
        `scene.LIGHT`.
    flux : tensor (N, C, bands)
        Electron/s.
    x, y : tensors that broadcast to (N, A, B)
        Positions, arcsec.

    Returns
    -------
    list of tensors (N, A, B)
        One per band, electron/s/arcsec^2; empty if there are no components.
    """
    total = []
    for c in range(light.shape[1]):
        x0, y0, R_e, n, q, phi = (column(light[:, c], k) for k in range(6))
        unit = sersic_profile(x, y, flux=1.0, R_e=R_e, n=n, q=q, phi=phi, x0=x0, y0=y0)
        total = _add(total, [unit * column(flux[:, c], b) for b in range(flux.shape[-1])])
    return total


def structure_sum(structure, peak, x, y):
    """Sum of rings, spiral arms and tidal tails per band.

    A component is a ring of Gaussian profile in elliptical radius, modulated in angle:

        I = peak exp(-((R - radius) / width)^2 / 2)
                 exp(contrast (cos(arms (t - phase - winding ln(R / radius))) - 1)).

    No arms make a ring, two wound ones a spiral, one a tail.

    Parameters
    ----------
    structure : tensor (N, C, 10)
        `scene.STRUCTURE`.
    peak : tensor (N, C, bands)
        Electron/s/arcsec^2.
    x, y : tensors that broadcast to (N, A, B)
        Positions, arcsec.

    Returns
    -------
    list of tensors (N, A, B)
        One per band.
    """
    total = []
    for c in range(structure.shape[1]):
        parts = (column(structure[:, c], k) for k in range(10))
        x0, y0, q, phi, radius, width, arms, contrast, winding, phase = parts
        dx, dy = x - x0, y - y0
        u = ops.cos(phi) * dx + ops.sin(phi) * dy
        v = ops.cos(phi) * dy - ops.sin(phi) * dx
        r = ops.sqrt(q * u * u + v * v / q + 1e-12)
        turn = ops.arctan2(v, u + 1e-12) - phase - winding * ops.log(r / radius)
        angular = ops.exp(contrast * (ops.cos(arms * turn) - 1.0))
        unit = ops.exp(-0.5 * ((r - radius) / width) ** 2) * angular
        total = _add(total, [unit * column(peak[:, c], b) for b in range(peak.shape[-1])])
    return total


def stamp_sum(stamp, image, flux, x, y):
    """A real source, interpolated bilinearly in its stamp; dark outside.

    Parameters
    ----------
    stamp : tensor (N, 5)
        `scene.STAMP`.
    image : tensor (N, S, S, channels)
        Unit sum per channel; one channel for all bands, or one per band.
    flux : tensor (N, bands)
        Electron/s.
    x, y : tensors (N, A, B)
        Source-plane positions, arcsec.

    Returns
    -------
    list of tensors (N, A, B)
        One per band, electron/s/arcsec^2; empty if the scene has no stamps.
    """
    side = image.shape[1]
    if side == 0:
        return []
    x0, y0, size, angle, flip = (column(stamp, k) for k in range(5))
    dx, dy = x - x0, y - y0
    u = (ops.cos(angle) * dx + ops.sin(angle) * dy) * (1.0 - 2.0 * flip)
    v = ops.cos(angle) * dy - ops.sin(angle) * dx
    # in pixels of the stamp; beyond its edge the clipped weight makes it dark
    col = u / size * side + (side - 1) / 2.0
    row = v / size * side + (side - 1) / 2.0
    inside = ops.cast(
        ops.logical_and(
            ops.logical_and(col >= 0, col <= side - 1), ops.logical_and(row >= 0, row <= side - 1)
        ),
        "float32",
    )
    col, row = ops.clip(col, 0.0, side - 1.001), ops.clip(row, 0.0, side - 1.001)
    c0, r0 = ops.floor(col), ops.floor(row)
    fc, fr = col - c0, row - r0
    shape = ops.shape(col)
    corner = ops.reshape(ops.cast(r0 * side + c0, "int32"), (shape[0], -1, 1))
    channels = image.shape[-1]
    flat = ops.reshape(image, (-1, side * side, channels))
    values = [ops.take_along_axis(flat, corner + step, axis=1) for step in (0, 1, side, side + 1)]
    density = inside / (size / side) ** 2
    total = []
    for b in range(flux.shape[-1]):
        k = b if channels > 1 else 0
        v00, v01, v10, v11 = (ops.reshape(v[..., k], shape) for v in values)
        unit = (v00 * (1 - fc) + v01 * fc) * (1 - fr) + (v10 * (1 - fc) + v11 * fc) * fr
        total.append(unit * density * column(flux, b))
    return total


def _add(total, more):
    return [a + b for a, b in zip(total, more, strict=True)] if total else more


def scene_brightness(scene, x, y):
    """Brightness of a scene, source and all the rest apart.

    Parameters
    ----------
    scene : dict of str to tensor
        Arrays of a `Scene`.
    x, y : tensors that broadcast to (N, A, B)
        Image-plane positions, arcsec.

    Returns
    -------
    source, rest : lists of tensors (N, A, B)
        One per band, electron/s/arcsec^2; an empty list where there is nothing of the kind.
    """
    source = []
    if scene["source"].shape[1] or scene["stamp_image"].shape[1]:
        bx, by = source_plane(scene["mass"], x, y)
        source = sersic_sum(scene["source"], scene["source_flux"], bx, by)
        stamps = stamp_sum(scene["stamp"], scene["stamp_image"], scene["stamp_flux"], bx, by)
        source = _add(source, stamps) if stamps else source
    rest = []
    for more in (
        sersic_sum(scene["lens"], scene["lens_flux"], x, y),
        sersic_sum(scene["field"], scene["field_flux"], x, y),
        structure_sum(scene["structure"], scene["structure_peak"], x, y),
    ):
        rest = _add(rest, more) if more else rest
    return source, rest
