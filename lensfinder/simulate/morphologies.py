"""Look-alikes of several parts: what real galaxies show besides rings, arms and tails.

Every kind is made of parts that `brightness.structure_sum` draws: rings modulated in angle, and
elliptical Gaussians. Ranges are ours, from what such galaxies look like, at the radii where arcs
would be; none was fitted to images that a finder is judged on.
"""

import numpy as np
from scipy.special import i0e

PARTS = 6  # at most
NUMBERS = 10  # random numbers per part, and as many for what all parts share
_SPOT = 1e-3  # radius of the ring that a Gaussian is, arcsec: nothing at any survey's resolution


def between(u, low, high):
    """Uniform numbers in a range.

    Parameters
    ----------
    u : array
        Uniform in 0 to 1.
    low, high : float
        The range.

    Returns
    -------
    array
        Uniform in `low` to `high`.
    """
    return low + u * (high - low)


def ring_area(radius, width, arms, contrast):
    """Flux over peak of a thin ring, with the mean of its modulation in angle.

    Parameters
    ----------
    radius, width : array (N,)
        Arcsec.
    arms, contrast : array (N,)
        Of the modulation exp(contrast (cos(arms angle) - 1)); no arms, no modulation.

    Returns
    -------
    array (N,)
        Square arcsec.
    """
    return (2 * np.pi) ** 1.5 * radius * width * np.where(arms == 0, 1.0, i0e(contrast))


class Parts:
    """Parts of some galaxies of one kind, filled one by one.

    Parameters
    ----------
    u : array (N, PARTS + 1, 10)
        Uniform random numbers; the first set of ten is for what all parts share.
    scale : array (N,)
        Einstein radius the galaxy would have had, arcsec.
    x, y, phi : array (N,)
        Its centre (arcsec) and position angle.
    """

    def __init__(self, u, scale, x, y, phi):
        self.common, self.u = u[:, 0].T, u[:, 1:]
        self.scale, self.x, self.y, self.phi = scale, x, y, phi
        self.columns, self.flux, self.area = [], [], []

    def ring(self, *, flux, radius, width, arms=0, contrast=0.0, winding=0.0, phase=0.0, q=1.0):
        """Add a ring about the galaxy's centre, in its frame; radius and width in arcsec."""
        arms, contrast, radius = (
            np.broadcast_to(v, self.x.shape) for v in (arms, contrast, radius)
        )
        self._add(
            flux,
            ring_area(radius, width, arms, contrast),
            (self.x, self.y, q, self.phi, radius, width, arms, contrast, winding, phase),
        )

    def blob(self, *, flux, distance, angle, sigma, q=1.0, phi=0.0):
        """Add an elliptical Gaussian at some distance (arcsec) and angle (rad) from the centre.

        `sigma` is on its major axis, arcsec; `phi` its position angle.
        """
        width = sigma * np.sqrt(q)  # elliptical radii are on the intermediate axis
        x, y = self.x + distance * np.cos(angle), self.y + distance * np.sin(angle)
        self._add(flux, 2 * np.pi * width**2, (x, y, q, phi, _SPOT, width, 0.0, 0.0, 0.0, 0.0))

    def _add(self, flux, area, values):
        shape = self.x.shape
        self.columns.append(np.stack([np.broadcast_to(value, shape) for value in values]))
        self.flux.append(np.broadcast_to(flux, shape))
        self.area.append(np.broadcast_to(area, shape))

    def shares(self):
        """Share of the flux of each part, array (parts, N); they sum to 1."""
        flux = np.array(self.flux, float)
        return flux / flux.sum(axis=0)


def _flocculent(parts):
    """Flocculent spiral: short pieces of arm at four radii, wound alike (pitch 10 to 35 deg)."""
    v = parts.common
    winding = np.where(v[0] < 0.5, -1, 1) / np.tan(np.deg2rad(between(v[1], 10, 35)))
    q = between(v[2], 0.4, 1.0)
    for k in range(4):
        w = parts.u[:, k].T
        radius = parts.scale * (0.35 + 0.28 * k) * between(w[0], 0.85, 1.15)
        parts.ring(
            flux=between(w[1], 0.5, 1.0),
            radius=radius,
            width=radius * between(w[2], 0.08, 0.2),
            arms=2.0 + np.floor(3 * w[3]),
            contrast=between(w[4], 1.5, 6.0),
            winding=winding,
            phase=2 * np.pi * w[5],
            q=q,
        )


def _barred(parts):
    """Barred spiral: a bar, two arms from its ends, now and then a ring around both."""
    v = parts.common
    angle, radius = np.pi * v[0], parts.scale * between(v[1], 0.6, 1.1)
    q = between(v[2], 0.5, 1.0)
    parts.blob(
        flux=between(v[3], 0.2, 0.6),
        distance=0.0,
        angle=0.0,
        sigma=radius * between(v[4], 0.35, 0.6),
        q=between(v[5], 0.15, 0.35),
        phi=parts.phi + angle,
    )
    parts.ring(
        flux=1.0,
        radius=radius,
        width=radius * between(v[6], 0.12, 0.3),
        arms=2.0,
        contrast=between(v[7], 2.0, 6.0),
        winding=np.where(v[8] < 0.5, -1, 1) / np.tan(np.deg2rad(between(v[9], 10, 35))),
        phase=angle,
        q=q,
    )
    w = parts.u[:, 0].T
    parts.ring(
        flux=np.where(w[0] < 0.3, between(w[1], 0.2, 0.6), 0.0),
        radius=1.2 * radius,
        width=radius * between(w[2], 0.05, 0.15),
        q=q,
    )


def _clumpy(parts):
    """Clumpy irregular, chain or clump cluster: six clumps without order in a flattened region."""
    v = parts.common
    q, tilt = between(v[0], 0.2, 1.0), np.pi * v[1]
    for k in range(6):
        w = parts.u[:, k].T
        r, t = parts.scale * between(w[0], 0.1, 1.3), 2 * np.pi * w[1]
        along, across = r * np.cos(t), q * r * np.sin(t)
        parts.blob(
            flux=10.0 ** between(w[2], -0.7, 0.0),
            distance=np.hypot(along, across),
            angle=np.arctan2(across, along) + tilt,
            sigma=parts.scale * between(w[3], 0.06, 0.16),
            q=between(w[4], 0.5, 1.0),
            phi=np.pi * w[5],
        )


def _companions(parts):
    """One to four satellites where images would be, some of them elongated, at any angle."""
    count = 1 + np.floor(4 * parts.common[0])
    for k in range(4):
        w = parts.u[:, k].T
        parts.blob(
            flux=np.where(k < count, 10.0 ** between(w[0], -1.0, 0.0), 0.0),
            distance=parts.scale * between(w[1], 0.6, 1.6),
            angle=2 * np.pi * w[2],
            sigma=parts.scale * between(w[3], 0.08, 0.3),
            q=between(w[4], 0.25, 1.0),
            phi=np.pi * w[5],
        )


def _edge_on(parts):
    """A disc seen edge-on, with a small bulge: through the galaxy, or beside it like an arc."""
    v = parts.common
    phi = np.where(v[0] < 0.5, parts.phi, np.pi * v[1])
    distance = np.where(v[2] < 0.4, 0.0, parts.scale * between(v[3], 0.4, 1.3))
    angle = phi + np.pi / 2 + between(v[4], -0.7, 0.7)
    sigma = parts.scale * between(v[5], 0.4, 1.1)
    parts.blob(
        flux=1.0, distance=distance, angle=angle, sigma=sigma, q=between(v[6], 0.08, 0.25), phi=phi
    )
    parts.blob(
        flux=between(v[7], 0.05, 0.4),
        distance=distance,
        angle=angle,
        sigma=0.2 * sigma,
        q=between(v[8], 0.5, 1.0),
        phi=phi,
    )


def _knotted_ring(parts):
    """Ring of an inclined disc, or a collisional one, with knots of star formation on it."""
    v = parts.common
    radius = parts.scale * between(v[0], 0.6, 1.3)
    shape = {
        "radius": radius,
        "width": radius * between(v[1], 0.05, 0.16),
        "q": between(v[2], 0.25, 1.0),
    }
    parts.ring(flux=1.0, **shape)
    for k in range(2):
        w = parts.u[:, k].T
        parts.ring(
            flux=between(w[0], 0.1, 1.0),
            arms=1.0 + np.floor(between(w[1], 0.0, 6.0)),
            contrast=between(w[2], 2.0, 10.0),
            phase=2 * np.pi * w[3],
            **shape,
        )


def _shells(parts):
    """Stellar shells of an early-type galaxy: sharp arcs on alternating sides of one axis."""
    v = parts.common
    for k in range(4):
        w = parts.u[:, k].T
        radius = parts.scale * (0.5 + 0.3 * k) * between(w[0], 0.85, 1.15)
        parts.ring(
            flux=between(w[1], 0.3, 1.0),
            radius=radius,
            width=radius * between(w[2], 0.03, 0.1),
            arms=1.0,
            contrast=between(w[3], 1.5, 8.0),
            phase=2 * np.pi * v[0] + np.pi * (k % 2) + between(w[4], -0.4, 0.4),
            q=between(v[1], 0.7, 1.0),
        )


def _interacting(parts):
    """A close companion and two tidal tails, one on its side and one opposite."""
    v = parts.common
    radius, angle = parts.scale * between(v[0], 0.7, 1.5), 2 * np.pi * v[1]
    parts.blob(
        flux=between(v[2], 0.3, 1.0),
        distance=radius,
        angle=angle + parts.phi,
        sigma=radius * between(v[3], 0.1, 0.3),
        q=between(v[4], 0.4, 1.0),
        phi=np.pi * v[5],
    )
    turn = np.where(v[6] < 0.5, -1, 1)
    for k in range(2):
        w = parts.u[:, k].T
        parts.ring(
            flux=between(w[0], 0.2, 1.0),
            radius=radius,
            width=radius * between(w[1], 0.08, 0.25),
            arms=1.0,
            contrast=between(w[2], 1.0, 6.0),
            winding=turn * between(w[3], 0.3, 2.5),
            phase=angle + np.pi * k,
        )


MORE_KINDS = {
    "flocculent": _flocculent,
    "barred": _barred,
    "clumpy": _clumpy,
    "companions": _companions,
    "edge_on": _edge_on,
    "knotted_ring": _knotted_ring,
    "shells": _shells,
    "interacting": _interacting,
}
