"""The verb that fits lenses by reconstructing their sources."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.counter import FitCounter
from lensfinder._commands.quiet import quietly


def fit(
    images: options.Images,
    output: options.Output = Path("fits.ecsv"),
    method: Annotated[str | None, typer.Option(help="maximise (the default) or nested.")] = None,
    lens_light: Annotated[
        str | None, typer.Option(help="none (the default), subtracted or fitted.")
    ] = None,
    light_profile: Annotated[
        str | None, typer.Option(help="Of the lens light: mge (the default) or sersic.")
    ] = None,
    prior: Annotated[Path | None, typer.Option(help="YAML file of priors; else wide.")] = None,
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
    band: Annotated[str | None, typer.Option(help="Which band, where there are several.")] = None,
    layout: options.Layout = None,
    psf_fwhm: Annotated[
        float | None, typer.Option(help="Arcsec, of a Gaussian PSF, where files have none.")
    ] = None,
    exposure: Annotated[
        float | None, typer.Option(help="Seconds, for photon noise where files have no noise map.")
    ] = None,
    assume_pixel_scale: options.AssumeScale = None,
    seed: Annotated[int | None, typer.Option(help="Of the sampler.")] = None,
    resumable: Annotated[
        bool, typer.Option(help="Keep every evaluation, to go on after an interruption.")
    ] = True,
    report: options.Report = True,
    overwrite: options.Overwrite = False,
) -> None:
    """Fit the mass of lenses by reconstructing their sources: parameters with errors, and a page.

    An interrupted fit goes on where it was when the same command is given again.
    """
    with quietly():
        from lensfinder.fit import fit as run
    state = output.with_suffix(".state")
    with FitCounter() as counter:
        table = run(
            images,
            output=output,
            prior=prior,
            parameters=parameters,
            sigma={name: _number(value) for name, value in (options.pairs(sigma) or {}).items()}
            or None,
            shear=shear,
            power_law=power_law,
            rings=_two(rings),
            band=band,
            layout=layout,
            psf_fwhm=psf_fwhm,
            exposure=exposure,
            assume_pixel_scale=assume_pixel_scale,
            state=state if resumable else None,
            report=report,
            overwrite=overwrite,
            watch=[counter],
            **options.given(
                method=method, lens_light=lens_light, light_profile=light_profile, seed=seed
            ),
        )
    counts = ", ".join(f"{count} {name}" for name, count in table.meta["counts"].items())
    typer.echo(f"{len(table)} images: {counts or 'none'}")
    typer.echo(f"table  {output}")
    if report:
        from lensfinder.predict import page_path

        typer.echo(f"page   {page_path(True, output)}")


def _two(text):
    """``"0.5,2"`` as two numbers."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2:
        raise typer.BadParameter(f"Expected INNER,OUTER. Received: {text}.")
    return tuple(map(_number, parts))


def _number(text):
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"Expected a number. Received: {text}.") from None
