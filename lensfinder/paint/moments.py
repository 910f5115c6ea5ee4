"""Second brightness moments of a galaxy: where it is, how round, and which way it points."""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import SimulationError

ITERATIONS = 200
CLOSE = 1e-6  # relative change of the matrix at which it has converged
REACH_SIGMA = 5.0  # the weight is cut where it is 4e-6
START_ARCSEC = 0.7  # about the second moment of a lens galaxy seen from the ground
LARGEST_SHIFT_ARCSEC = 1.0  # from the middle of the stamp; beyond, it is another galaxy


@dataclass(frozen=True)
class Moments:
    """Centre and shape of a galaxy's light.

    Attributes
    ----------
    x, y : float
        Centre from the middle of the stamp, arcsec, +x right, +y up.
    q : float
        Axis ratio, minor over major.
    phi : float
        Position angle of the major axis, radians from +x towards +y, 0 to pi.
    sigma : float
        Fourth root of the determinant of the second moments, arcsec.
    """

    x: float
    y: float
    q: float
    phi: float
    sigma: float

    def turned(self, quarters: int) -> "Moments":
        """The moments of the same image turned counter-clockwise by quarters of a turn.

        Parameters
        ----------
        quarters : int
            How many.

        Returns
        -------
        Moments
            Of the turned image.
        """
        c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters % 4]
        return Moments(
            c * self.x - s * self.y,
            s * self.x + c * self.y,
            self.q,
            float((self.phi + quarters * np.pi / 2) % np.pi),
            self.sigma,
        )


def adaptive_moments(
    image, pixel_scale: float, *, start=START_ARCSEC, largest_shift=LARGEST_SHIFT_ARCSEC
) -> Moments:
    """Second moments of the galaxy in the middle of a stamp, with the Gaussian that fits it best.

    Moments without a weight are those of the neighbours and of the sky's noise. Here each pixel is
    weighted with an elliptical Gaussian that has the centre and the moments it finds (Bernstein &
    Jarvis 2002, section 3.1.2; Hirata & Seljak 2003, section 2.2). The PSF stays in: galaxies
    appear rounder than they are.

    Parameters
    ----------
    image : array (H, W)
        One band, sky subtracted, row 0 at the bottom.
    pixel_scale : float
        Arcsec per pixel.
    start : float
        Standard deviation of the first weight, arcsec.
    largest_shift : float
        How far the centre may be from the middle of the stamp, arcsec.

    Returns
    -------
    Moments
        Centre, axis ratio, position angle and size.

    Raises
    ------
    SimulationError
        If there is no galaxy: the weight runs away, shrinks to nothing, or does not settle.
    """
    image = np.asarray(image, np.float64)
    y, x = np.indices(image.shape, dtype=np.float64)
    middle = (np.array(image.shape[::-1]) - 1) / 2
    centre, matrix = middle.copy(), np.eye(2) * (start / pixel_scale) ** 2
    for _ in range(ITERATIONS):
        dx, dy = x - centre[0], y - centre[1]
        inverse = np.linalg.inv(matrix)
        rho2 = inverse[0, 0] * dx * dx + 2 * inverse[0, 1] * dx * dy + inverse[1, 1] * dy * dy
        light = np.where(rho2 < REACH_SIGMA**2, image * np.exp(-0.5 * rho2), 0.0)
        total = light.sum()
        if not np.isfinite(total) or total <= 0:
            raise SimulationError("There is no light in the middle of the stamp. Leave it out.")
        # the product of a Gaussian and its own weight has half the moments and half the offset
        step = 2.0 * np.array([(light * dx).sum(), (light * dy).sum()]) / total
        xx, xy, yy = ((light * a * b).sum() / total for a, b in ((dx, dx), (dx, dy), (dy, dy)))
        new = 2.0 * (np.array([[xx, xy], [xy, yy]]) - np.outer(step, step) / 4.0)
        centre = centre + step
        change = np.abs(new - matrix).max() / np.trace(matrix)
        values = np.linalg.eigvalsh(new)
        if values[0] < 0.05 or values[1] > (max(image.shape) / 4.0) ** 2:
            raise SimulationError(
                "The second moments of the galaxy do not settle: it has no size, or that of the "
                "whole stamp. Leave it out, or centre the stamp on a galaxy."
            )
        if np.hypot(*(centre - middle)) * pixel_scale > largest_shift:
            raise SimulationError(
                f"The galaxy is more than {largest_shift:g} arcsec from the middle of its stamp. "
                "Centre the stamp on it."
            )
        matrix = new
        if change < CLOSE and np.hypot(*step) < CLOSE * np.sqrt(values[1]) * 10:
            break
    else:
        raise SimulationError("The second moments of the galaxy do not settle. Leave it out.")
    small, large = np.linalg.eigvalsh(matrix)
    phi = 0.5 * np.arctan2(2 * matrix[0, 1], matrix[0, 0] - matrix[1, 1])
    place = (centre - middle) * pixel_scale
    return Moments(
        float(place[0]),
        float(place[1]),
        float(np.sqrt(small / large)),
        float(phi % np.pi),
        float((small * large) ** 0.25 * pixel_scale),
    )


def corner_noise(image, fraction: float = 0.1) -> float:
    """Noise of the sky: the RMS of the corner whose brightest pixel is the faintest.

    Schuldt et al. (2021), section 2.3: each corner is a tenth of the image's sides wide, and the
    one with the lowest maximum has no galaxy in it.

    Parameters
    ----------
    image : array (H, W)
        One band, sky subtracted; the larger, the farther are its corners from the lens.
    fraction : float
        Side of a corner over that of the image.

    Returns
    -------
    float
        Root mean square of its pixels, in the unit of the image.
    """
    image = np.asarray(image, np.float64)
    rows, columns = (max(2, round(fraction * side)) for side in image.shape)
    corners = [
        image[r, c]
        for r in (slice(None, rows), slice(-rows, None))
        for c in (slice(None, columns), slice(-columns, None))
    ]
    quiet = min(corners, key=lambda corner: corner.max())
    return float(np.sqrt(np.mean(quiet**2)))
