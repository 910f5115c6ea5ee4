"""Images with the truth about them: shards, or files beside a table of labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensfinder.data.assembly import assemble
from lensfinder.data.manifest import MANIFEST, read_manifest
from lensfinder.data.readers import read_cutouts
from lensfinder.errors import STATUS, DataFormatError, InputContractError, LabelError
from lensfinder.specs import GroupContract, InputContract, Survey, load_survey, survey_names
from lensfinder.tables import read_csv, read_table

TABLES = ("labels", "truth")  # names under which a folder's own table is looked for
_ENDINGS = (".ecsv", ".fits", ".parquet", ".csv")
_SHOWN = 5


@dataclass(frozen=True)
class Labelled:
    """Objects and what is true of them.

    Attributes
    ----------
    contract : InputContract
        What the images are: survey, groups, bands, pixel scales, unit.
    ids : tuple of str
        Names, all different.
    images : dict of str to float32 array (N, stamp, stamp, bands)
        One array per group of the contract.
    y : float32 array (N, P)
        Labels (0 or 1, P = 1), or parameters in their units.
    """

    contract: InputContract
    ids: tuple[str, ...]
    images: dict[str, np.ndarray]
    y: np.ndarray

    def __len__(self):
        return len(self.ids)

    def take(self, rows) -> "Labelled":
        """Some of the objects.

        Parameters
        ----------
        rows : array of int or bool
            Which.

        Returns
        -------
        Labelled
            Those, in the order given.
        """
        rows = np.arange(len(self))[rows]
        images = {name: array[rows] for name, array in self.images.items()}
        return Labelled(self.contract, tuple(self.ids[i] for i in rows), images, self.y[rows])

    def select(self, choice) -> "Labelled":
        """The same objects in fewer bands.

        Parameters
        ----------
        choice : dict of str to sequence of str
            Bands to take, per group.

        Returns
        -------
        Labelled
            With a smaller contract.
        """
        contract = self.contract.select(choice)
        where = contract.channels({g.name: g.bands for g in self.contract.groups})
        images = {name: self.images[name][..., list(rows)] for name, rows in where.items()}
        return Labelled(contract, self.ids, images, self.y)


def contract_of(images, survey=None, *, layout=None) -> InputContract:
    """Everything that some images hold, as a contract.

    Parameters
    ----------
    images : path or sequence of path
        A folder of shards; or files, folders and patterns.
    survey : str, Path, Survey or None
        The survey they are of. None: what shards say; the survey that the files name, if there is
        one of this name; or the bands, sizes, pixel scales and unit of the first image.
    layout : str, path or None
        Layout of the files.

    Returns
    -------
    InputContract
        Survey, groups and unit.

    Raises
    ------
    InputContractError
        If the files do not say what they are.
    """
    if survey is not None:
        return InputContract.from_survey(load_survey(survey))
    if _is_shards(images):
        return InputContract.from_survey(Survey.model_validate(read_manifest(images).survey))
    first = next((c for c in read_cutouts(_images(images), layout=layout) if not c.status), None)
    if first is None:
        raise InputContractError("None of the images can be read. Check the files, or the layout.")
    named = first.meta.get("survey", "")
    if named in survey_names():
        return InputContract.from_survey(load_survey(named))
    grids: dict[tuple, list[str]] = {}
    for band, image in first.bands.items():
        grids.setdefault((image.shape, first.pixel_scales.get(band)), []).append(band)
    units = {first.units.get(band) for band in first.bands}
    unknown = [scale for _, scale in grids if not scale] or not all(first.bands)
    if unknown or len(units) != 1 or None in units or any(a != b for (a, b), _ in grids):
        raise InputContractError(
            f"{first.path} does not say which bands, pixel scales and unit it has, or its stamps "
            "are not square. Give the survey (survey=, --survey), a YAML file if it is your own."
        )
    return InputContract(
        survey=named or "unnamed",
        unit=units.pop(),
        groups=tuple(
            GroupContract(name=f"grid{i}", bands=bands, stamp=shape[0], pixel_scale=scale)
            for i, ((shape, scale), bands) in enumerate(grids.items(), start=1)
        ),
    )


def read_labelled(
    images,
    contract: InputContract,
    *,
    targets=("label",),
    labels=None,
    layout=None,
    resample: bool = False,
    **fitting,
) -> Labelled:
    """Read images and what is true of them.

    Parameters
    ----------
    images : path or sequence of path
        A folder of shards; or files, folders and patterns.
    contract : InputContract
        What to read of them.
    targets : sequence of str
        Columns of the table: ``("label",)``, or parameters.
    labels : path or None
        Table with a column ``id`` and the targets: ECSV, FITS, Parquet or CSV. By default
        ``labels.*`` or ``truth.*`` in the folder; shards hold their own.
    layout : str, path or None
        Layout of the files.
    resample : bool
        As in `assemble`.
    **fitting : dict
        Further arguments of `assemble`.

    Returns
    -------
    Labelled
        All objects that have a label, in the order of the images.

    Raises
    ------
    LabelError
        If the table lacks a column or an image, holds an id twice, or a value that is not finite;
        or if images cannot be used. The message names the first of them.
    """
    if _is_shards(images):
        if labels is not None:
            raise LabelError("Shards hold their own labels. Leave the table of labels away.")
        found = _from_shards(Path(images), contract, tuple(targets))
    else:
        table = read_labels(_table_of(images) if labels is None else labels, targets)
        cutouts = list(read_cutouts(_images(images), layout=layout, bands=contract.bands))
        unlabelled = [cutout.id for cutout in cutouts if cutout.id not in table]
        if unlabelled:
            raise LabelError(f"{_some(unlabelled)} no label. Add them to the table.")
        absent = sorted(set(table) - {cutout.id for cutout in cutouts})
        if absent:
            raise LabelError(f"{_some(absent)} no image. Take them out of the table.")
        batch = assemble(cutouts, contract, resample=resample, **fitting)
        bad = [i for i, status in enumerate(batch.status) if status]
        if bad:
            why = batch.messages[bad[0]] or STATUS.explain(batch.status[bad[0]])
            raise LabelError(
                f"{len(bad)} of {len(batch)} images cannot be used; {batch.ids[bad[0]]}: {why}. "
                "Mend them, or take them out of the folder and of the table."
            )
        y = np.array([table[name] for name in batch.ids], np.float32)
        found = Labelled(contract, tuple(batch.ids), batch.images, y)
    return check_labels(found, targets)


def check_labels(found: Labelled, targets) -> Labelled:
    """The same objects, if their labels can be learned from.

    Parameters
    ----------
    found : Labelled
        The objects.
    targets : sequence of str
        What the columns of `y` are.

    Returns
    -------
    Labelled
        `found`.

    Raises
    ------
    LabelError
        If an id stands twice, a value is not finite, or labels are not 0 and 1, both present.
    """
    found.contract.check(found.images)
    if found.y.shape != (len(found.ids), len(targets)):
        raise LabelError(
            f"There must be {len(targets)} values for each of {len(found.ids)} objects. "
            f"Received: {found.y.shape}. Give one row per image."
        )
    names, counts = np.unique(found.ids, return_counts=True)
    if (counts > 1).any():
        raise LabelError(f"{_some(names[counts > 1])} more than one row. Give each its own id.")
    wrong = [i for i, row in zip(found.ids, found.y, strict=True) if not np.isfinite(row).all()]
    if wrong:
        raise LabelError(f"{_some(wrong)} a value that is not finite. Take them out.")
    dark = ~np.all([np.isfinite(a).all(axis=(1, 2, 3)) for a in found.images.values()], axis=0)
    if dark.any():
        raise LabelError(
            f"{_some(np.array(found.ids)[dark])} pixels that are not finite. Take them out."
        )
    if tuple(targets) == ("label",):
        values = set(np.unique(found.y).tolist())
        if not values <= {0.0, 1.0}:
            raise LabelError(f"Labels must be 0 or 1. Received: {sorted(values)[:_SHOWN]}.")
        if values != {0.0, 1.0}:
            only = "lenses" if values == {1.0} else "non-lenses"
            raise LabelError(f"All {len(found)} objects are {only}. Add some of the other kind.")
    return found


def read_labels(path, targets) -> dict[str, tuple[float, ...]]:
    """Values per id, from a table.

    Parameters
    ----------
    path : path
        ECSV, FITS, Parquet or CSV.
    targets : sequence of str
        Columns wanted.

    Returns
    -------
    dict of str to tuple of float
        In the order of the table.

    Raises
    ------
    LabelError
        If a column is missing, holds no numbers, or an id stands twice.
    """
    path = Path(path)
    if not path.is_file():
        raise LabelError(f"There is no table {path}. Give one with the columns id, {targets[0]}.")
    try:
        table = read_csv(path) if path.suffix.lower() == ".csv" else read_table(path)
    except (DataFormatError, OSError, ValueError) as error:
        raise LabelError(f"{path} cannot be read as a table ({error}).") from error
    missing = [name for name in ("id", *targets) if name not in table.colnames]
    if missing:
        raise LabelError(
            f"{path} has no column {missing[0]!r}, but {', '.join(table.colnames)}. Add it."
        )
    try:
        columns = [
            np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan) for name in targets
        ]
    except (TypeError, ValueError) as error:
        raise LabelError(f"{path}: {', '.join(targets)} must be numbers ({error}).") from error
    ids = [str(name) for name in table["id"]]
    names, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise LabelError(f"{path}: {_some(names[counts > 1])} more than one row. Keep one of them.")
    return dict(zip(ids, zip(*(map(float, column) for column in columns)), strict=True))


def _from_shards(folder: Path, contract, targets) -> Labelled:
    from lensfinder.data.pipeline import load_arrays

    images, y, ids = load_arrays(folder, targets=targets)
    held = {name: group.bands for name, group in read_manifest(folder).groups.items()}
    images = {name: images[name][..., list(rows)] for name, rows in contract.channels(held).items()}
    return Labelled(contract, tuple(ids), images, y)


def _is_shards(images) -> bool:
    return isinstance(images, str | Path) and (Path(images) / MANIFEST).is_file()


def _images(images):
    """The noisy images of a folder that `simulate` wrote; anything else as it is."""
    single = isinstance(images, str | Path)
    return Path(images) / "S1" if single and (Path(images) / "S1").is_dir() else images


def _table_of(images) -> Path:
    folder = Path(images) if isinstance(images, str | Path) else None
    if folder is not None and folder.is_dir():
        for place in (folder / f"{name}{end}" for name in TABLES for end in _ENDINGS):
            if place.is_file():
                return place
    raise LabelError(
        f"There is no table of labels beside the images ({', '.join(TABLES)}). "
        "Give one (labels=, --labels) with the columns id and label."
    )


def _some(names) -> str:
    names = [str(name) for name in names]
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{len(names)} object{'s' if len(names) > 1 else ''} ({shown}) with"
