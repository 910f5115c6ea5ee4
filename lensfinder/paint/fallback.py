"""What is taken where a catalogue has no redshift or no velocity dispersion; always marked."""

import numpy as np
from scipy.special import gammaincinv, ndtr, ndtri

from lensfinder.simulate.photometry import REST_R, apparent_magnitude

# log sigma = -2.97 - 0.37 M - 0.006 M^2 with M the rest-frame r magnitude: the relation that the
# simulator inverts (Hyde & Bernardi 2009, as LensPop has it). Its scatter at fixed luminosity, for
# the early types of the SDSS (Bernardi et al. 2003), is from memory and not yet checked.
SCATTER_DEX = 0.07
BRIGHTEST, FAINTEST = -25.0, -19.0  # where the relation was measured, roughly
# Early types with spectra from the SDSS, among which lenses are found: their redshifts peak at 0.5
# (Schuldt et al. 2021, section 4.1 and figure 1). Normal and cut; its width and limits are ours.
LENS_REDSHIFT = (0.5, 0.15, 0.1, 1.0)  # mean, standard deviation, least, largest
# p(z) ~ z^2 exp(-(z / z0)^1.5), the form of Smail, Ellis & Fitchett (1994); its median is 1.41 z0.
# The median, 1.5, is our choice for galaxies as faint as those of the deep fields.
SOURCE_Z0 = 1.06


def lens_redshift(u):
    """Redshifts of lens galaxies that have none.

    Parameters
    ----------
    u : array
        Uniform numbers.

    Returns
    -------
    array
        Normal with the mean and width of `LENS_REDSHIFT`, cut.
    """
    mean, width, low, high = LENS_REDSHIFT
    a, b = ndtr((low - mean) / width), ndtr((high - mean) / width)
    return mean + width * ndtri(a + u * (b - a))


def source_redshift(u):
    """Redshifts of sources that have none.

    Parameters
    ----------
    u : array
        Uniform numbers.

    Returns
    -------
    array
        From ``p(z) ~ z^2 exp(-(z / z0)^1.5)``: (z / z0)^1.5 has the Gamma distribution of shape 2.
    """
    return SOURCE_Z0 * gammaincinv(2.0, u) ** (2.0 / 3.0)


def velocity_dispersion(magnitude, wavelength: float, z, u, cosmology: str):
    """Velocity dispersions of early types from their brightness (Faber & Jackson 1976).

    Parameters
    ----------
    magnitude : array
        Observed AB magnitude.
    wavelength : float
        At which, nm.
    z : array
        Redshift.
    u : array
        Uniform numbers, for the scatter.
    cosmology : str
        Its name.

    Returns
    -------
    array
        km/s. Outside of -25 to -19 mag the relation is continued as a constant.
    """
    offset = apparent_magnitude("early_type", 0.0, REST_R, wavelength, z, cosmology)
    absolute = np.clip(magnitude - offset, BRIGHTEST, FAINTEST)
    log_sigma = -2.97 - 0.37 * absolute - 0.006 * absolute**2
    return 10.0 ** (log_sigma + SCATTER_DEX * ndtri(u))
