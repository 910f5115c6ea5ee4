"""Prediction tables: the registry of their columns, and files that are whole or absent.

A table has one row per input, in the order of the input. Written as ECSV, FITS, Parquet or, for a
spreadsheet, CSV, by the ending of the file name; `read_table` gives back what `write_table` took.
"""

from lensfinder.tables.columns import (
    COLUMNS,
    MESSAGE_LENGTH,
    UNCERTAINTIES,
    ColumnSpec,
    build_table,
    clean_message,
    column_spec,
    name_known,
)
from lensfinder.tables.files import (
    WRITERS,
    check_output,
    read_table,
    refuse_existing,
    write_atomically,
    write_table,
)

__all__ = [
    "COLUMNS",
    "MESSAGE_LENGTH",
    "UNCERTAINTIES",
    "WRITERS",
    "ColumnSpec",
    "build_table",
    "check_output",
    "clean_message",
    "column_spec",
    "name_known",
    "read_table",
    "refuse_existing",
    "write_atomically",
    "write_table",
]
