"""Options that several verbs of the command line share, and what becomes of them."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

Images = Annotated[list[str], typer.Argument(help="FITS, HDF5 or npz files, folders, patterns.")]
Preset = Annotated[str | None, typer.Option(help="See `lensfinder models list`; or a folder.")]
Layout = Annotated[str | None, typer.Option(help="How other people's files are laid out.")]
Resample = Annotated[
    bool, typer.Option("--resample", help="Resample other pixel scales; flux is conserved.")
]
Calibrate = Annotated[
    bool,
    typer.Option("--calibrate", help="Bring pixels to the zero points of the preset's survey."),
]
BandMap = Annotated[
    str | None, typer.Option(help="Bands to take for the preset's, e.g. VIS=F814W,H=F160W.")
]
Pad = Annotated[bool, typer.Option("--pad", help="Fill what an image does not cover with sky.")]
MaxBad = Annotated[float | None, typer.Option(help="Mend up to this fraction of bad pixels.")]
AssumeScale = Annotated[float | None, typer.Option(help="Arcsec/pixel, where files do not say.")]
AssumeUnit = Annotated[str | None, typer.Option(help="Pixel unit, where files do not say.")]
AssumeZeroPoint = Annotated[
    float | None, typer.Option(help="AB magnitude of one unit, where files do not say.")
]
Clean = Annotated[
    str | None, typer.Option(help="Take noise and lens light off first: a cleaner's preset.")
]
Denoiser = Annotated[
    str | None, typer.Option(help="Another one that denoises for the cleaner (modular training).")
]
Cleaned = Annotated[Path | None, typer.Option(help="Keep the cleaned images in this folder.")]
MaskBlobs = Annotated[
    bool, typer.Option("--mask-blobs", help="Cut to a circle around the source in the middle.")
]
Report = Annotated[bool, typer.Option(help="Write a page beside the table.")]
BatchSize = Annotated[int | None, typer.Option(help="Images per step; scores do not depend on it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
Seed = Annotated[int | None, typer.Option(help="Object i depends on the seed and on i only.")]
_TO = typer.Option("--output", "-o", help="Where to write.")
Output = Annotated[Path, _TO]
OptionalOutput = Annotated[Path | None, _TO]


def given(**options):
    """The options that were given, so that each default has one home: the function's."""
    return {name: value for name, value in options.items() if value is not None}


def pairs(text: str | None) -> dict[str, str] | None:
    """``"VIS=F814W,H=F160W"`` as a dictionary."""
    found = [pair.split("=") for pair in text.split(",")] if text else []
    if any(len(pair) != 2 or not all(pair) for pair in found):
        raise typer.BadParameter(f"Expected OURS=THEIRS,... Received: {text}.")
    return dict(found) or None


def fitting(calibrate, band_map, pad, max_bad_fraction, scale, unit, zero_point):
    """How other people's images are made to fit, from the options of `find` and `model`."""
    from lensfinder.data import Assume
    from lensfinder.predict import Fitting

    assumed = given(pixel_scale=scale, unit=unit, zero_point=zero_point)
    return Fitting(
        calibrate=calibrate,
        band_map=pairs(band_map),
        pad=pad,
        assume=Assume(**assumed) if assumed else None,
        **given(max_bad_fraction=max_bad_fraction),
    )


@contextlib.contextmanager
def bar(total: int):
    """A progress bar on stderr, if a person is looking; yields what advances it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.advance(task, done)
