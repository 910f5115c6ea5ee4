"""The folder of an evaluation: all of its files are in place, or none is."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from astropy.table import Table

from lensfinder.errors import DataFormatError, OutputExistsError
from lensfinder.tables import WRITERS, refuse_existing, write_table
from lensfinder.training.assessment import Assessment, table_of

METRICS, SELECTION, DETECTION = "metrics.json", "selection.ecsv", "detection_limit.ecsv"
TABLES = {"finder": "scores", "modeller": "parameters", "auditor": "solutions"}
FIGURES = {
    "finder": (
        "roc.png",
        "purity.png",
        "reliability.png",
        "scores.png",
        "selection.png",
        "detection_limit.png",
    ),
    "modeller": ("parameters.png", "parameter_errors.png", "coverage.png"),
    "auditor": ("confusion.png", "reliability.png"),
}


def names_of(task: str, *, table: str = "ecsv") -> tuple[str, ...]:
    """Names of all files that an evaluation may write.

    Parameters
    ----------
    task : {"finder", "modeller", "auditor"}
        What was evaluated.
    table : str
        Format of the table of objects.

    Returns
    -------
    tuple of str
        File names.

    Raises
    ------
    DataFormatError
        If tables are not written in this format.
    """
    if f".{table}" not in WRITERS:
        known = ", ".join(ending[1:] for ending in WRITERS)
        raise DataFormatError(f"Tables are written as {known}. Received: {table!r}.")
    extra = (SELECTION, DETECTION) if task == "finder" else ()
    return (f"{TABLES[task]}.{table}", *extra, *FIGURES[task], METRICS)


def refuse_taken(folder: Path, task: str, *, table: str = "ecsv", overwrite: bool = False) -> None:
    """Raise an error if a file that would be written is there already.

    Parameters
    ----------
    folder : Path
        Where the files go.
    task : {"finder", "modeller", "auditor"}
        What is evaluated.
    table : str
        Format of the table of objects.
    overwrite : bool
        Whether they may be replaced.

    Raises
    ------
    OutputExistsError
        If one is taken, or the folder is a file.
    DataFormatError
        If tables are not written in this format.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{folder} is a file. Name a folder.", path=str(folder))
    for name in names_of(task, table=table):
        refuse_existing(folder / name, overwrite)


def write_folder(
    folder: Path, assessment: Assessment, *, draw, table: str = "ecsv", overwrite: bool = False
) -> None:
    """Write an evaluation: metrics, the table of objects, selection, detection limit, figures.

    Everything is made in a folder beside the final place and moved there at the end,
    ``metrics.json`` last: where it is, the rest is whole.

    Parameters
    ----------
    folder : Path
        Where the files go; made if it is not there.
    assessment : Assessment
        What they are made of.
    draw : callable
        ``draw(assessment, folder)`` writes the figures.
    table : str
        Format of the table of objects.
    overwrite : bool
        Whether files may be replaced; those of an earlier evaluation that this one does not have
        are removed then.

    Raises
    ------
    OutputExistsError
        If a file is taken.
    DataFormatError
        If tables are not written in this format.
    """
    folder = Path(folder)
    task = assessment.task
    refuse_taken(folder, task, table=table, overwrite=overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write_table(table_of(assessment), staging / f"{TABLES[task]}.{table}")
        if assessment.selection is not None:
            write_table(assessment.selection.table(), staging / SELECTION)
        if assessment.detection:
            write_table(detection_table(assessment.detection), staging / DETECTION)
        draw(assessment, staging)
        text = json.dumps(assessment.figures, indent=1, allow_nan=False) + "\n"
        (staging / METRICS).write_text(text, encoding="utf-8")
        staging.chmod(0o755)
        if not folder.exists():
            os.replace(staging, folder)
            return
        (folder / METRICS).unlink(missing_ok=True)
        for name in names_of(task, table=table):  # metrics.json is the last of them
            if (staging / name).exists():
                os.replace(staging / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def detection_table(detection: dict[str, list[dict]]) -> Table:
    """The detection limit as a table: one row per range of N_pix and comparison.

    Parameters
    ----------
    detection : dict of str to list of dict
        From `lensfinder.training.detection.detection_limit`, by what lenses are compared with.

    Returns
    -------
    astropy.table.Table
        ``against``, ``n_pix_low``, ``n_pix_high`` (excluded), numbers and figures.
    """
    lines = [{"against": against, **line} for against, some in detection.items() for line in some]
    table = Table(rows=lines)
    table.rename_columns(["low", "high"], ["n_pix_low", "n_pix_high"])
    words = {
        "against": "lenses of the range against all objects below it, or against non-lenses",
        "lenses": "lenses in the range; as many, or as there are others, are compared",
        "others": "objects they are compared with",
    }
    for name, text in words.items():
        table[name].description = text
    return table
