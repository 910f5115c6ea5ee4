"""Real galaxies as sources: stamps to be lensed, from any survey sharper than yours."""

from dataclasses import dataclass

import numpy as np

from lensfinder.errors import SimulationError, UnknownNameError
from lensfinder.specs.population import SOURCE_LIBRARIES


@dataclass(frozen=True)
class SourceLibrary:
    """Stamps of real galaxies.

    Attributes
    ----------
    images : array (N, S, S, channels)
        Background-subtracted, dark at the edges; one channel, or one per band of the survey.
    names : tuple of str
        Where each comes from.
    half_light : array (N,)
        Half-light radius as a fraction of the stamp's side; measured.
    """

    images: np.ndarray
    names: tuple[str, ...]
    half_light: np.ndarray

    @classmethod
    def from_stamps(cls, images, names=None) -> "SourceLibrary":
        """Check, normalise and measure stamps.

        Parameters
        ----------
        images : array (N, S, S) or (N, S, S, channels)
            Galaxies centred in their stamps, background subtracted, any unit.
        names : sequence of str or None
            Their names.

        Returns
        -------
        SourceLibrary
            Each channel of each stamp normalised to unit sum.

        Raises
        ------
        SimulationError
            If a stamp is not finite or has no flux.
        """
        images = np.asarray(images, np.float64)
        if images.ndim == 3:
            images = images[..., None]
        if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[1] < 4:
            raise SimulationError(
                f"Source stamps must have shape (N, S, S) or (N, S, S, channels). "
                f"Received: {images.shape}."
            )
        total = images.sum(axis=(1, 2))
        if not np.isfinite(images).all() or (total <= 0).any():
            bad = np.flatnonzero(~np.isfinite(total).all(axis=1) | (total <= 0).any(axis=1))
            raise SimulationError(
                f"Source stamps {bad[:5].tolist()} hold no positive flux or are not finite. "
                "Subtract the background and leave these out."
            )
        images = images / total[:, None, None, :]
        names = tuple(names) if names is not None else tuple(f"{k:05d}" for k in range(len(images)))
        return cls(images.astype(np.float32), names, _half_light(images))

    def __len__(self):
        return len(self.images)

    def for_bands(self, n_bands: int) -> "SourceLibrary":
        """The same stamps with one channel, or as many as there are bands.

        Parameters
        ----------
        n_bands : int
            Bands of the survey.

        Returns
        -------
        SourceLibrary
            Channels averaged into one where their number does not fit.
        """
        if self.images.shape[-1] in (1, n_bands):
            return self
        mean = self.images.mean(axis=-1, keepdims=True)
        return SourceLibrary(mean, self.names, self.half_light)


def named_library(name: str) -> SourceLibrary:
    """A library that every user has.

    Parameters
    ----------
    name : {"hubble", "hubble-odd"}
        Isolated galaxies of the Hubble Deep Field picture in scikit-image: all, or those with odd
        numbers.

    Returns
    -------
    SourceLibrary
        Its stamps.

    Raises
    ------
    UnknownNameError
        If no library has this name.
    """
    if name not in SOURCE_LIBRARIES:
        raise UnknownNameError("source library", name, SOURCE_LIBRARIES)
    from lensfinder.data import hubble_galaxies

    stamps = hubble_galaxies().stamps()
    kept = [k for k, each in enumerate(stamps.ids) if name == "hubble" or is_odd(each)]
    return SourceLibrary.from_stamps(stamps.images[kept], [stamps.ids[k] for k in kept])


def is_odd(galaxy: str) -> bool:
    """Whether a galaxy of the Hubble picture is in the library ``hubble-odd``.

    Parameters
    ----------
    galaxy : str
        Its name, as in "hdf-0001".

    Returns
    -------
    bool
        Whether its number is odd.
    """
    return int(galaxy.rsplit("-", 1)[1]) % 2 == 1


def _half_light(images):
    """Radius of the circle about the centroid with half of the flux, over the stamp's side."""
    side = images.shape[1]
    white = np.clip(images.mean(axis=-1), 0, None)
    white /= white.sum(axis=(1, 2), keepdims=True)
    axis = np.arange(side) - (side - 1) / 2
    x = (white * axis).sum(axis=(1, 2))[:, None, None]
    y = (white * axis[:, None]).sum(axis=(1, 2))[:, None, None]
    radius = np.hypot(axis - x, axis[:, None] - y).reshape(len(images), -1)
    order = np.argsort(radius, axis=1)
    flux = np.cumsum(np.take_along_axis(white.reshape(len(images), -1), order, axis=1), axis=1)
    at = (flux < 0.5).sum(axis=1)
    return np.take_along_axis(radius, order, axis=1)[np.arange(len(images)), at] / side
