"""Options that several verbs of the command line share, and what becomes of them."""

import contextlib
import functools
import inspect
from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands.quiet import quietly

Images = Annotated[list[str], typer.Argument(help="FITS, HDF5 or npz files, folders, patterns.")]
Preset = Annotated[str | None, typer.Option(help="See `lensfinder models list`; or a folder.")]
Members = Annotated[
    list[str] | None,
    typer.Option(help="See `lensfinder models list`; or a folder. Several: an ensemble."),
]
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
AssumePlane = Annotated[
    str | None,
    typer.Option(help="S3: these are images of sources alone, cleaned, where files do not say."),
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


def numbers(text: str | None) -> dict[str, float] | None:
    """``"x_lens=0.05,e1=0.1"`` as a dictionary of numbers."""
    try:
        found = {name: float(value) for name, value in (pairs(text) or {}).items()}
    except ValueError as error:
        raise typer.BadParameter(f"Expected NAME=NUMBER,... Received: {text}.") from error
    return found or None


def _two(text):
    """``"0.5,2"`` as two numbers."""
    if text is None:
        return None
    try:
        inner, outer = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"Expected two numbers, INNER,OUTER. Received: {text}.") from None
    return inner, outer


# --- blocks of options, which several verbs take as one argument ---------------------------------
def block(name: str, reader, *, without=()):
    """Give a verb all options of a reader; the verb gets what the reader makes of them.

    Parameters
    ----------
    name : str
        Argument of the verb, in whose place the options stand.
    reader : callable
        A function of options with defaults, such as `fitting`.
    without : sequence of str
        Options that the verb does not have; the reader's defaults are taken.

    Returns
    -------
    callable
        A decorator for the verb.
    """
    known = inspect.signature(reader).parameters
    options = {option: what for option, what in known.items() if option not in without}

    def taking(verb):
        shown = []
        for own in inspect.signature(verb).parameters.values():
            shown += options.values() if own.name == name else [own]

        @functools.wraps(verb)
        def wrapped(**words):
            words[name] = reader(**{option: words.pop(option) for option in options})
            return verb(**words)

        wrapped.__signature__ = inspect.Signature(shown)
        wrapped.__annotations__ = {option.name: option.annotation for option in shown}
        return wrapped

    return taking


def fitting(
    calibrate: Calibrate = False,
    band_map: BandMap = None,
    pad: Pad = False,
    max_bad_fraction: MaxBad = None,
    assume_pixel_scale: AssumeScale = None,
    assume_unit: AssumeUnit = None,
    assume_zero_point: AssumeZeroPoint = None,
    assume_plane: AssumePlane = None,
):
    """How other people's images are made to fit a network."""
    with quietly():
        from lensfinder.data import Assume
        from lensfinder.predict import Fitting

    assumed = given(
        pixel_scale=assume_pixel_scale,
        unit=assume_unit,
        zero_point=assume_zero_point,
        plane=assume_plane,
    )
    return Fitting(
        calibrate=calibrate,
        band_map=pairs(band_map),
        pad=pad,
        assume=Assume(**assumed) if assumed else None,
        **given(max_bad_fraction=max_bad_fraction),
    )


def mass_fit(
    method: Annotated[str | None, typer.Option(help="maximise (the default) or nested.")] = None,
    lens_light: Annotated[
        str | None, typer.Option(help="none (the default), subtracted or fitted.")
    ] = None,
    light_profile: Annotated[
        str | None, typer.Option(help="Of the lens light: mge (the default) or sersic.")
    ] = None,
    prior: Annotated[
        Path | None, typer.Option(help="YAML file of priors of the (first) fit; else wide.")
    ] = None,
    parameters: Annotated[
        Path | None, typer.Option(help="Table of `lensfinder model`: its posteriors as priors.")
    ] = None,
    sigma: Annotated[
        str | None, typer.Option(help="Where that table has no errors: theta_E=0.1,e1=0.1,e2=0.1.")
    ] = None,
    shear: Annotated[bool, typer.Option("--shear", help="Fit an external shear, too.")] = False,
    power_law: Annotated[
        bool, typer.Option("--power-law", help="Fit the slope of the mass, too; else isothermal.")
    ] = False,
    rings: Annotated[
        str | None, typer.Option(help="Radii of the annulus to fit, arcsec: INNER,OUTER.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the sampler.")] = None,
    band: Annotated[str | None, typer.Option(help="Which band, where there are several.")] = None,
    layout: Layout = None,
    psf_fwhm: Annotated[
        float | None, typer.Option(help="Arcsec, of a Gaussian PSF, where files have none.")
    ] = None,
    exposure: Annotated[
        float | None, typer.Option(help="Seconds, for photon noise where files have no noise map.")
    ] = None,
    assume_pixel_scale: AssumeScale = None,
):
    """How the mass of lenses is fitted: three dictionaries, of priors and seed, the model, reading.

    What was not given is left out, so that each default has one home.
    """
    where = given(prior=prior, parameters=parameters, sigma=numbers(sigma), seed=seed)
    model = given(method=method, lens_light=lens_light, light_profile=light_profile)
    reading = given(rings=_two(rings), band=band, layout=layout, psf_fwhm=psf_fwhm)
    reading |= given(exposure=exposure, assume_pixel_scale=assume_pixel_scale)
    return where, model | {"shear": shear, "power_law": power_law}, reading


@contextlib.contextmanager
def bar(total: int):
    """A progress bar on stderr, if a person is looking; yields what advances it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.advance(task, done)
