"""A second opinion that needs no network: is the source a copy of the image, and which way up?

Every bright pixel at theta (from the lens) is traced to beta. The slope of beta on theta, weighted
by the light, is the scale of the source as a copy of the image. With too small an Einstein radius
the source is a smaller copy the right way up, with too large a radius a copy upside down (Maresca,
Dye & Li 2021, section 2). With the right one, light on both sides of the critical curve falls on
one place: the outer image of a multiply imaged source lies within 2 theta_E, so that beta is less
than half of theta there, and negative for the images inside. The slope lies then between 0 and 1/2.

It is computed from the mass model and the image alone; it does not look at the source, and so errs
in other lenses than a network does. It cannot tell a lone arc whose counter-image is lost in noise.
"""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import ArgumentError
from lensfinder.inversion.mass import MassModel
from lensfinder.inversion.relation import SOLUTIONS

UNDER, CORRECT, OVER = SOLUTIONS
BRIGHT = 3.0  # standard deviations above which a pixel counts as light of an arc
# Scales of a correct source. On 598 mocks of maresca2021, radii of both relations, shapes true or
# random: recall 0.92, 0.92, 0.97 and precision 0.94, 0.91, 0.95 (under, correct, over; classes of
# equal weight); 0.93, 0.95, 0.98 and 0.96, 0.92, 0.98 where the arcs surround the lens.
INVERTED, UPRIGHT = -0.1, 0.5
# How often it says under, correct and over (columns) of a source that is so (rows): the recall
# above; the rest goes mostly to the neighbour.
_SAYS = np.array([[0.92, 0.06, 0.02], [0.05, 0.92, 0.03], [0.01, 0.02, 0.97]])
# Share of reconstructions unlike all that a network was trained on: there its answer says nothing.
_FOREIGN = 0.05


@dataclass(frozen=True)
class Opinion:
    """What the traced light says of a model.

    Attributes
    ----------
    verdict : str
        ``under``, ``correct`` or ``over``.
    copy_scale : float
        Scale of the source as a copy of the image: near 0 for a true source.
    """

    verdict: str
    copy_scale: float

    @property
    def probabilities(self) -> np.ndarray:
        """1 for the verdict, 0 for the others (3,): it does not say how sure it is."""
        return np.array([float(name == self.verdict) for name in SOLUTIONS], dtype=np.float32)


def weighed(probabilities, opinion: Opinion) -> np.ndarray:
    """Probabilities by a network and by the parity together, as of two that err independently.

    A network that was trained on bright arcs is sure of itself where it should not be: its answer
    is mixed with a small share of knowing nothing first, so that it cannot overrule everything.

    Parameters
    ----------
    probabilities : array (3,)
        Of under, correct and over, by the network.
    opinion : Opinion
        By the parity.

    Returns
    -------
    array (3,)
        Of under, correct and over; they sum to 1.
    """
    given = (1.0 - _FOREIGN) * np.asarray(probabilities, np.float64) + _FOREIGN / len(SOLUTIONS)
    both = given * _SAYS[:, SOLUTIONS.index(opinion.verdict)]
    return both / both.sum()


def parity_opinion(mass: MassModel, x, y, *, image, noise) -> Opinion:
    """Call a mass model under-magnified, correct or over-magnified by where it traces the light.

    Parameters
    ----------
    mass : MassModel
        The model.
    x, y : array (N,)
        Centres of the fitted pixels, arcsec.
    image, noise : array (N,)
        Brightness without the light of the lens, and its standard deviation.

    Returns
    -------
    Opinion
        By the scale of the source as a copy of the image.

    Raises
    ------
    ArgumentError
        If no pixel stands out of the noise.
    """
    x, y, image, noise = (np.asarray(a, dtype=np.float64) for a in (x, y, image, noise))
    light = np.where(image > BRIGHT * noise, image, 0.0)
    dx, dy = x - mass.x, y - mass.y
    size = float((light * (dx**2 + dy**2)).sum())
    if not size > 0:
        raise ArgumentError(
            f"No fitted pixel exceeds {BRIGHT:g} times the noise. Check the image and its noise."
        )
    traced_x, traced_y = mass.trace(x, y)
    overlap = light * ((traced_x - mass.x) * dx + (traced_y - mass.y) * dy)
    scale = float(overlap.sum()) / size
    verdict = UNDER if scale > UPRIGHT else OVER if scale < INVERTED else CORRECT
    return Opinion(verdict, scale)
