"""Tables in files that are whole or absent: ECSV, FITS, Parquet, and CSV for spreadsheets."""

import csv
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
from astropy.io.ascii import InconsistentTableError, convert_numpy
from astropy.table import MaskedColumn, Table
from astropy.table.meta import get_header_from_yaml, get_yaml_from_table

from lensfinder.errors import DataFormatError, OutputExistsError
from lensfinder.tables.columns import column_spec, name_known

FITS_META_KEY = "LFMETA"  # one long string: FITS headers hold no nested values
_ESCAPED = "id_escaped"


def _write_ecsv(table, path):
    table = _escape_ids(table, ascii_only=False)
    formats = {name: column_spec(name).form for name in table.colnames if name_known(name)}
    formats = {
        name: form for name, form in formats.items() if form and table[name].dtype.kind == "f"
    }
    table.write(path, format="ascii.ecsv", formats=formats, overwrite=True)


def _write_fits(table, path):
    table = _escape_ids(table, ascii_only=True)
    for name in table.colnames:
        if table[name].dtype.kind == "U":
            table[name] = [text.encode("ascii", "replace").decode() for text in table[name]]
    table.meta = {FITS_META_KEY: json.dumps(table.meta, ensure_ascii=True)}
    table.write(path, format="fits", overwrite=True)


def _write_parquet(table, path):
    # Not astropy's writer: it leaves page checksums off, and a flipped bit then goes unnoticed.
    import pyarrow as pa
    from pyarrow import parquet

    meta = {"table_meta_yaml": "\n".join(get_yaml_from_table(table))}
    for name in table.colnames:
        if table[name].dtype.kind == "U":
            meta[f"table::len::{name}"] = str(table[name].dtype.itemsize // 4)
    arrays = [
        pa.array(column.tolist(), type=pa.string())
        if column.dtype.kind == "U"
        else pa.array(np.ascontiguousarray(column.data))
        for column in table.itercols()
    ]
    arrow = pa.table(arrays, names=table.colnames).replace_schema_metadata(meta)
    parquet.write_table(arrow, path, write_page_checksum=True)


def _write_csv(table, path):
    """Comma-separated values without units or metadata, safe to open in a spreadsheet."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(table.colnames)
        for row in table:
            writer.writerow([_not_a_formula(value) for value in row])


WRITERS: dict[str, Callable] = {
    ".ecsv": _write_ecsv,
    ".fits": _write_fits,
    ".parquet": _write_parquet,
    ".csv": _write_csv,
}


def check_output(path, *, overwrite: bool = False) -> Path:
    """Whether a table may be written here, before anything is computed.

    Parameters
    ----------
    path : str or path-like
        File to write.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    DataFormatError
        If the ending is not one of the known formats.
    OutputExistsError
        If the file exists and may not be replaced.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITERS:
        raise DataFormatError(
            f"Tables are written as {', '.join(WRITERS)}. Received: {path.name!r}. "
            "End the file name in one of them."
        )
    refuse_existing(path, overwrite)
    return path


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise an error if a path is taken and may not be replaced.

    Parameters
    ----------
    path : pathlib.Path
        File to write.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputExistsError
        If it exists, or is a folder.
    """
    if path.is_dir():
        raise OutputExistsError(f"{path} is a folder. Give the name of a file.", path=str(path))
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} exists. Choose another name, or overwrite it with --overwrite "
            "(overwrite=True).",
            path=str(path),
        )


def write_table(table: Table, path, *, overwrite: bool = False) -> Path:
    """Write a table in the format of the file's ending; the file is whole or absent.

    Parameters
    ----------
    table : astropy.table.Table
        The table.
    path : str or path-like
        File ending in ``.ecsv``, ``.fits``, ``.parquet`` or ``.csv``.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    DataFormatError
        If the ending is unknown.
    OutputExistsError
        If the file exists and may not be replaced.
    """
    path = check_output(path, overwrite=overwrite)
    plain = table.filled("") if table.has_masked_columns else table
    write_atomically(path, lambda temporary: WRITERS[path.suffix.lower()](plain, temporary))
    return path


def write_atomically(path: Path, write: Callable[[str], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it there in one step.

    Parameters
    ----------
    path : pathlib.Path
        Final place. Folders above it are made.
    write : callable
        Called with the name of the temporary file, which has the same ending.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
    )
    os.close(handle)
    try:
        write(temporary)
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp gives 0600; a result is not a secret
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_csv(path) -> Table:
    """Read a comma-separated table of a user; a name is no number: the id 0007 keeps its zeros.

    Parameters
    ----------
    path : str or path-like
        File with a header line.

    Returns
    -------
    astropy.table.Table
        The table; an empty cell is masked.

    Raises
    ------
    DataFormatError
        If it cannot be read.
    """
    try:
        return Table.read(path, format="ascii.csv", converters={"id": [convert_numpy(str)]})
    except (InconsistentTableError, OSError, UnicodeDecodeError, ValueError) as error:
        raise DataFormatError(
            f"{Path(path).name} is no comma-separated table with a header line: {error}"
        ) from error


def read_table(path) -> Table:
    """Read a table that `write_table` wrote: same ids, numbers, units and metadata.

    Parameters
    ----------
    path : str or path-like
        File ending in ``.ecsv``, ``.fits`` or ``.parquet``.

    Returns
    -------
    astropy.table.Table
        The table. Parquet page checksums are verified.

    Raises
    ------
    DataFormatError
        If the ending is unknown. CSV is for spreadsheets and is not read back: it has no units.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".ecsv":
        table = Table.read(path, format="ascii.ecsv")
    elif suffix == ".fits":
        table = Table.read(path, format="fits", hdu=1)
        table.convert_bytestring_to_unicode()
        table.meta = json.loads(table.meta.pop(FITS_META_KEY, "{}"))
    elif suffix == ".parquet":
        table = _read_parquet(path)
    else:
        raise DataFormatError(
            f"Tables are read from .ecsv, .fits and .parquet. Received: {path.name!r}."
        )
    for name in table.colnames:  # empty text comes back masked
        if isinstance(table[name], MaskedColumn) and table[name].dtype.kind in "UO":
            table[name] = table[name].filled("")
            table[name].description = column_spec(name).words if name_known(name) else None
    if table.meta.pop(_ESCAPED, False):
        table["id"] = [unquote(name) for name in table["id"]]
    return table


def _read_parquet(path) -> Table:
    # Not astropy's reader: it needs pandas, and does not verify the checksums.
    from pyarrow import parquet

    arrow = parquet.read_table(path, page_checksum_verification=True)
    header = (arrow.schema.metadata or {}).get(b"table_meta_yaml", b"").decode()
    known = get_header_from_yaml(header.split("\n")) if header else {}
    table = Table(meta=dict(known.get("meta", {})))
    specs = {spec["name"]: spec for spec in known.get("datatype", [])}
    for name in arrow.column_names:
        values = arrow[name].to_pylist() if _is_text(arrow[name]) else arrow[name].to_numpy()
        spec = specs.get(name, {})
        table[name] = np.asarray(values, dtype="U") if _is_text(arrow[name]) else values
        table[name].description = spec.get("description")
        table[name].unit = spec.get("unit")
    return table


def _is_text(column):
    return str(column.type) in ("string", "large_string")


# --- text that would not survive a format ---------------------------------------------------------
def _escape_ids(table, *, ascii_only):
    """Percent-encode ids if one of them would not survive the format; say so in the metadata.

    ECSV loses spaces at both ends and carriage returns, FITS everything beyond ASCII.
    """
    table = table.copy(copy_data=False)
    if "id" not in table.colnames or all(_survives(name, ascii_only) for name in table["id"]):
        return table
    ids = [quote(name, safe=" !#$&'()*+,/:;=?@[]\"<>\\^`{|}") for name in table["id"]]
    position, words = table.colnames.index("id"), table["id"].description
    table.remove_column("id")
    table.add_column([name.replace(" ", "%20") for name in ids], name="id", index=position)
    table["id"].description = words
    table.meta = {**table.meta, _ESCAPED: True}
    return table


def _survives(name, ascii_only):
    plain = name.isprintable() and name == name.strip() and name != ""
    return plain and (name.isascii() or not ascii_only)


def _not_a_formula(value):
    """Text that a spreadsheet would run as a formula, made plain by a leading apostrophe."""
    if isinstance(value, str) and (
        value[:1] in ("\t", "\r") or value.lstrip()[:1] in tuple("=+-@")
    ):
        return "'" + value
    return value
