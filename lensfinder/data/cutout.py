"""One object as it was read: its bands, with whatever the file says about them."""

from dataclasses import dataclass, field

import numpy as np

from lensfinder.errors import STATUS


@dataclass
class Cutout:
    """Images of one object, band by band, before they are made to fit a model.

    Row 0 of every image is at the bottom. Whatever the file does not say is None, never a guess.

    Attributes
    ----------
    id : str
        Name of the object.
    bands : dict of str to array (H, W) float32
        One image per band; bands may differ in size and pixel scale.
    pixel_scales : dict of str to float or None
        Arcsec per pixel.
    units : dict of str to str or None
        Pixel unit, e.g. ``"electron/s"`` (see `lensfinder.data.units`).
    zero_points : dict of str to float or None
        AB magnitude of one unit.
    psfs, rms : dict of str to array
        PSF image and noise map (in the unit of the band), for the bands that have one.
    wcs : dict of str to dict
        World coordinate keywords of the band's header, where there are any.
    status : int
        Bits of `lensfinder.errors.STATUS`; 0 when the object was read.
    message : str
        What went wrong, for a person; empty when nothing did.
    path : str
        File or folder the object came from.
    meta : dict
        Further facts, e.g. the layout's name; ``plane`` (S3) of what a cleaner left, and ``dark``
        where no light of a source stood out of that.
    """

    id: str
    bands: dict[str, np.ndarray] = field(default_factory=dict)
    pixel_scales: dict[str, float | None] = field(default_factory=dict)
    units: dict[str, str | None] = field(default_factory=dict)
    zero_points: dict[str, float | None] = field(default_factory=dict)
    psfs: dict[str, np.ndarray] = field(default_factory=dict)
    rms: dict[str, np.ndarray] = field(default_factory=dict)
    wcs: dict[str, dict] = field(default_factory=dict)
    status: int = 0
    message: str = ""
    path: str = ""
    meta: dict = field(default_factory=dict)

    @classmethod
    def failed(cls, identity: str, path, status: str, message: str) -> "Cutout":
        """A cutout that could not be read: no bands, a status and a sentence.

        Parameters
        ----------
        identity : str
            Name the object would have had.
        path : path-like
            The file.
        status : str
            Name of a flag of `STATUS`.
        message : str
            What happened.

        Returns
        -------
        Cutout
            The empty cutout.
        """
        return cls(id=identity, path=str(path), status=STATUS[status], message=message)

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Height and width per band, pixels."""
        return {band: image.shape for band, image in self.bands.items()}

    def flag(self, status: str, message: str) -> None:
        """Raise one more flag of `STATUS`, and say why.

        Parameters
        ----------
        status : str
            Name of the flag.
        message : str
            What is wrong.
        """
        self.status |= STATUS[status]
        self.message = f"{self.message}; {message}" if self.message else message
