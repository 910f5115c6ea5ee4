"""Prediction tables: the registry of their columns, and files that are whole or absent.

A table has one row per input, in the order of the input. Written as ECSV, FITS, Parquet or, for a
spreadsheet, CSV, by the ending of the file name; `read_table` gives back what `write_table` took.
`read_lenses` makes checked arrays of lens parameters, and `draw_lenses` draws from their errors.
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
from lensfinder.tables.draws import (
    Covariance,
    draw_lenses,
    exact_zero,
    in_order,
    read_posterior,
)
from lensfinder.tables.files import (
    WRITERS,
    check_output,
    read_csv,
    read_table,
    refuse_existing,
    write_atomically,
    write_table,
)
from lensfinder.tables.lenses import Lenses, read_lenses

__all__ = [
    "COLUMNS",
    "MESSAGE_LENGTH",
    "UNCERTAINTIES",
    "WRITERS",
    "ColumnSpec",
    "Covariance",
    "Lenses",
    "build_table",
    "check_output",
    "clean_message",
    "column_spec",
    "draw_lenses",
    "exact_zero",
    "in_order",
    "name_known",
    "read_csv",
    "read_lenses",
    "read_posterior",
    "read_table",
    "refuse_existing",
    "write_atomically",
    "write_table",
]
