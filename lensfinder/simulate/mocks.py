"""What the simulator returns: images per group, planes, and the truth table."""

from dataclasses import dataclass, field

import numpy as np
from astropy.table import Table, vstack

PLANES = ("S1", "S2", "S3")

_ARCSEC = ("x_", "y_", "_x", "_y", "_R_e", "_size", "_radius", "_width", "theta_E")


def unit_of(column: str) -> str | None:
    """Unit of a column of the truth table.

    Parameters
    ----------
    column : str
        Name of the column.

    Returns
    -------
    str or None
        As astropy writes it; None for pure numbers and text.
    """
    if "_flux_" in column:
        return "electron / s"
    if "_peak_" in column:
        return "electron / (s arcsec2)"
    if column == "sigma_v":
        return "km / s"
    if column == "phi" or column.endswith(("_phi", "_angle", "_phase")):
        return "rad"
    if column.startswith(("x_", "y_")) or column.endswith(_ARCSEC[2:]):
        return "arcsec"
    return None


@dataclass
class Mocks:
    """Some simulated objects.

    Attributes
    ----------
    index : array of int (N,)
        Their numbers.
    planes : dict of str to dict of str to array (N, H, W, bands)
        ``S1`` noisy, ``S2`` noiseless, ``S3`` noiseless source alone; per group, electron/s.
    truth : astropy.table.Table
        One row per object, with units (S4 is the column ``label``, S5 the lens parameters).
    """

    index: np.ndarray
    planes: dict[str, dict[str, np.ndarray]]
    truth: Table = field(repr=False)

    @property
    def images(self) -> dict[str, np.ndarray]:
        """The noisy images, plane S1."""
        return self.planes["S1"]

    @property
    def ids(self) -> list[str]:
        """Names of the objects."""
        return [str(name) for name in self.truth["id"]]

    def __len__(self):
        return len(self.index)

    def take(self, rows) -> "Mocks":
        """Some of the objects.

        Parameters
        ----------
        rows : array of int or slice
            Which.

        Returns
        -------
        Mocks
            A new set.
        """
        planes = {
            plane: {group: image[rows] for group, image in images.items()}
            for plane, images in self.planes.items()
        }
        return Mocks(self.index[rows], planes, self.truth[rows])

    @classmethod
    def join(cls, parts) -> "Mocks":
        """Several sets, one after the other.

        Parameters
        ----------
        parts : sequence of Mocks
            Of the same survey and population.

        Returns
        -------
        Mocks
            All objects.
        """
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        planes = {
            plane: {
                group: np.concatenate([part.planes[plane][group] for part in parts])
                for group in images
            }
            for plane, images in parts[0].planes.items()
        }
        truth = vstack([part.truth for part in parts], metadata_conflicts="silent")
        return cls(np.concatenate([part.index for part in parts]), planes, truth)

    def targets(self, names) -> np.ndarray:
        """Columns of the truth as an array.

        Parameters
        ----------
        names : sequence of str
            Which columns.

        Returns
        -------
        array of float32 (N, len(names))
            In the order given.
        """
        return np.stack([np.asarray(self.truth[name], np.float32) for name in names], axis=1)
