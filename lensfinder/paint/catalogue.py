"""What a user's catalogue says about cutouts: redshifts, dispersions, magnitudes, PSF files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensfinder.data.fits_file import FitsFile
from lensfinder.errors import ArgumentError, DataFormatError, SimulationError
from lensfinder.tables import COLUMNS
from lensfinder.tables.lenses import column_numbers, open_table

# what a catalogue may say: beyond it, a value is in other units, or stands for none
PLAUSIBLE = {
    "z_lens": (0.0, 20.0, ""),
    "z_src": (0.0, 30.0, ""),
    "sigma_v": (10.0, 1500.0, " km/s"),
    "mag": (0.0, 45.0, ""),
}


@dataclass(frozen=True)
class Catalogue:
    """Columns of a catalogue, found by the id of an object.

    Attributes
    ----------
    rows : dict of str to int
        Row of each id.
    numbers : dict of str to array (N,)
        The columns that were asked for and are there; NaN where there is no value.
    files : tuple of Path or None
        PSF files, one per row; None where there is none.
    """

    rows: dict[str, int]
    numbers: dict[str, np.ndarray]
    files: tuple[Path | None, ...]

    def value(self, identity: str, name: str) -> float:
        """A number of an object; NaN if the catalogue has none.

        Parameters
        ----------
        identity : str
            Its id.
        name : str
            A column.

        Returns
        -------
        float
            The number.
        """
        row = self.rows.get(identity)
        if row is None or name not in self.numbers:
            return float("nan")
        return float(self.numbers[name][row])

    def plausible(self, identity: str, name: str) -> float:
        """A number of an object that is in the range of `PLAUSIBLE`; NaN if there is none.

        Parameters
        ----------
        identity : str
            Its id.
        name : str
            A column: z_lens, z_src, sigma_v or mag_BAND.

        Returns
        -------
        float
            The number; NaN, too, where redshift or dispersion are 0 or less, as some write what is
            not known.

        Raises
        ------
        SimulationError
            If it is beyond what is possible: in other units, or of something else.
        """
        value = self.value(identity, name)
        low, high, unit = PLAUSIBLE["mag" if name.startswith("mag_") else name]
        if not np.isfinite(value) or (value <= 0 and not name.startswith("mag_")):
            return float("nan")
        if not low <= value <= high:
            raise SimulationError(
                f"The catalogue gives {name}={value:g}; possible is {low:g} to {high:g}{unit}. "
                "Correct it, or leave it empty.",
                status=f"{name}_impossible",
            )
        return value

    def file(self, identity: str) -> Path | None:
        """PSF file of an object, or None.

        Parameters
        ----------
        identity : str
            Its id.

        Returns
        -------
        Path or None
            The file.
        """
        row = self.rows.get(identity)
        return None if row is None else self.files[row]

    def check_ids(self, identities) -> None:
        """Whether the catalogue is about these objects, or at least about one of them.

        Parameters
        ----------
        identities : iterable of str
            Ids of all objects that were read.

        Raises
        ------
        ArgumentError
            If it has rows and none of them has such an id.
        """
        identities = list(identities)
        if self.rows and identities and not self.rows.keys() & set(identities):
            raise ArgumentError(
                f"The catalogue has none of the {len(identities)} objects, such as "
                f"{identities[0]!r}; its first id is {next(iter(self.rows))!r}. Name its rows like "
                "the cutouts, or leave the catalogue out."
            )


def open_catalogue(table, names) -> Catalogue:
    """Read a catalogue.

    Parameters
    ----------
    table : astropy.table.Table, path or None
        ECSV, FITS, Parquet or CSV; with a column ``id``, and optionally ``psf``, a file beside it.
        None for no catalogue.
    names : sequence of str
        Columns of numbers to take, where they are.

    Returns
    -------
    Catalogue
        The catalogue.

    Raises
    ------
    ArgumentError
        If it has no column ``id``, or one id twice, or none of the columns that are taken.
    DataFormatError
        If the file cannot be read, or a column holds no numbers.
    """
    if table is None:
        return Catalogue({}, {}, ())
    folder = Path(table).parent if isinstance(table, str | Path) else Path()
    table = open_table(table)
    if "id" not in table.colnames:
        raise ArgumentError(
            f"The catalogue needs a column id. Received: {', '.join(table.colnames)}. Add it."
        )
    ids = [str(name) for name in table["id"]]
    rows = {name: row for row, name in enumerate(ids)}
    if len(rows) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise ArgumentError(f"The catalogue holds {twice!r} twice. Keep one row per id.")
    known = ("psf", *names)
    if not set(known) & set(table.colnames):
        raise ArgumentError(
            f"The catalogue has none of the columns {', '.join(known)}. Received: "
            f"{', '.join(table.colnames)}. Rename its columns, or leave it out."
        )
    numbers = {name: _numbers(table, name) for name in names if name in table.colnames}
    files: tuple = (None,) * len(ids)
    if "psf" in table.colnames:
        words = ["" if value is np.ma.masked else str(value) for value in table["psf"]]
        files = tuple(folder / word if word else None for word in words)
    return Catalogue(rows, numbers, files)


def _numbers(table, name):
    if name in COLUMNS:
        return column_numbers(table, name)
    column = np.ma.asarray(table[name])
    if column.dtype.kind not in "fiu":
        raise DataFormatError(f"Column {name!r} must hold numbers. Correct the catalogue.")
    return np.ma.filled(column.astype(np.float64), np.nan)


def read_psf_file(path, bands) -> tuple[dict[str, np.ndarray], float | None]:
    """PSF images of a FITS file, per band.

    Parameters
    ----------
    path : path-like
        With an extension per band, named after it (``i`` or ``i_PSF``); or one image for all bands.
    bands : sequence of str
        The bands needed, as the file names them.

    Returns
    -------
    images : dict of str to array
        Those that are in the file.
    scale : float or None
        ``PIXSCALE`` of the file, arcsec; None if it does not say.

    Raises
    ------
    DataFormatError
        If the file is absent, or has no PSF of a band.
    """
    path = Path(path)
    if not path.is_file():
        raise DataFormatError(f"There is no PSF file {path}. Correct the catalogue.")
    file = FitsFile(path)
    pictures = file.images()
    found, scale = {}, None
    for band in bands:
        unit = file.find(band) or file.find(f"{band}_PSF")
        if unit is None and len(pictures) == 1:
            unit = pictures[0]
        if unit is None or len(unit.shape) != 2:
            raise DataFormatError(
                f"{path} has no PSF image of band {band}. Name its extensions after the bands."
            )
        found[band] = np.asarray(file.data(unit), np.float64)
        given = file.header(unit).get("PIXSCALE")
        scale = float(given) if isinstance(given, int | float) and given > 0 else scale
    return found, scale
