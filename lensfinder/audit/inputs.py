"""Images in files, as lenses that can be audited: one band with noise, PSF and a prior."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lensfinder.audit.loop import Lens
from lensfinder.data import Cutout, read_cutouts
from lensfinder.errors import ArgumentError, InputContractError, InversionError
from lensfinder.fit.inputs import fit_input, ring_mask
from lensfinder.fit.priors import NoPriorError
from lensfinder.predict.images import are_paths
from lensfinder.tables import clean_message


@dataclass(frozen=True)
class Reading:
    """How images are read; see `lensfinder.fit.fit`.

    Attributes
    ----------
    band : str or None
        Which band to fit, of images of several.
    layout : str, path or None
        Layout of the files, if they are not ours.
    psf_fwhm : float or None
        Width of a Gaussian PSF [arcsec], for files without one.
    exposure : float or None
        Exposure time [s] of images in electrons/s, for files without a noise map.
    pixel_scale : float or None
        Arcsec per pixel, for files that do not say.
    rings : (float, float) or None
        Radii [arcsec] of the annulus to fit; found from the arcs when None.
    """

    band: str | None = None
    layout: object = None
    psf_fwhm: float | None = None
    exposure: float | None = None
    pixel_scale: float | None = None
    rings: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Candidate:
    """One image of a run: a lens, or the reason why there is none.

    Attributes
    ----------
    id : str
        Its name.
    lens : Lens or None
        What is fitted.
    status : str
        ``ok``, or the name of a flag of `lensfinder.errors.FIT_STATUS`.
    message : str
        What is wrong, in words.
    """

    id: str
    lens: Lens | None = None
    status: str = "ok"
    message: str = ""


def candidates(images, reading: Reading, *, prior_of) -> Iterator[Candidate]:
    """Images as lenses, in their order.

    Parameters
    ----------
    images : path, sequence of paths, or iterable of Cutout
        Files, folders and globs, or cutouts.
    reading : Reading
        How to read them.
    prior_of : callable
        From an id to its prior, from `lensfinder.fit.priors.priors_of`.

    Returns
    -------
    iterator of Candidate
        One per image.

    Raises
    ------
    ArgumentError, DataFormatError
        If there are no images.
    """
    if isinstance(images, (str, os.PathLike)) or are_paths(images):
        images = read_cutouts(images, layout=reading.layout)
    return (_candidate(row, cutout, reading, prior_of) for row, cutout in enumerate(images))


def _candidate(row, cutout, reading, prior_of) -> Candidate:
    if not isinstance(cutout, Cutout):
        raise ArgumentError(
            f"Images must be paths or cutouts. Received: {type(cutout).__name__}. "
            "Use `audit_lens` for arrays."
        )
    if cutout.status:
        return Candidate(cutout.id, None, "unreadable", clean_message(cutout.message))
    how = {"band": reading.band, "psf_fwhm": reading.psf_fwhm, "exposure": reading.exposure}
    try:
        prior = prior_of(cutout.id)
        seen = fit_input(cutout, pixel_scale=reading.pixel_scale, **how)
    except NoPriorError as error:
        return Candidate(cutout.id, None, "no_prior", clean_message(str(error)))
    except (InversionError, InputContractError) as error:
        return Candidate(cutout.id, None, "bad_input", clean_message(str(error)))
    lens = Lens(
        row=row,
        image=seen.image,
        noise=np.where(seen.usable, seen.noise, 1e6 * seen.noise[seen.usable].max()),
        psf=seen.psf,
        pixel_scale=seen.pixel_scale,
        prior=prior,
        usable=seen.usable,
        mask=ring_mask(seen, reading.rings),
    )
    return Candidate(cutout.id, lens)
