"""How images of other surveys are made to fit a network."""

from dataclasses import asdict, dataclass

from lensfinder.data import Assume
from lensfinder.data.assembly import bands_taken


@dataclass(frozen=True)
class Fitting:
    """How images of other surveys are made to fit a network; see `lensfinder.data.assemble`.

    Attributes
    ----------
    calibrate : bool
        Bring pixels to the zero points of the network's survey, where the images state theirs.
    band_map : dict of str to str or None
        Which band of the images to take for a band of the network, e.g. ``{"VIS": "F814W"}``.
    assume : Assume or None
        Pixel scale, unit and zero point for images that do not say.
    pad : bool
        Fill what an image does not cover with its sky, instead of the status ``edge``.
    max_bad_fraction : float
        Up to this fraction of bad pixels is mended, and noted in the message.
    """

    calibrate: bool = False
    band_map: dict[str, str] | None = None
    assume: Assume | None = None
    pad: bool = False
    max_bad_fraction: float = 0.0

    def arguments(self) -> dict:
        """Keyword arguments of `lensfinder.data.assemble`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def bands_of(self, *contracts) -> tuple[str, ...]:
        """Bands of the files that some networks need.

        Parameters
        ----------
        *contracts : InputContract
            Of the networks.

        Returns
        -------
        tuple of str
            Each once.

        Raises
        ------
        UnknownNameError
            If none of the networks has a band that is mapped.
        """
        ours = tuple(dict.fromkeys(band for contract in contracts for band in contract.bands))
        return tuple(dict.fromkeys(bands_taken(ours, self.band_map).values()))

    def options(self) -> dict:
        """What differs from the defaults, as the command line names it."""
        words = {
            "calibrate": self.calibrate,
            "band_map": self.band_map
            and ",".join(f"{ours}={theirs}" for ours, theirs in self.band_map.items()),
            "pad": self.pad,
            "max_bad_fraction": self.max_bad_fraction or None,
        }
        assumed = {} if self.assume is None else asdict(self.assume)
        return words | {f"assume_{name}": value for name, value in assumed.items()}
