"""The verb that paints mocks on real galaxies."""

import math
from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly


def paint(
    lenses: Annotated[str, typer.Argument(help="Cutouts of galaxies: a file, folder or pattern.")],
    sources: Annotated[str, typer.Argument(help="Sharp stamps to be lensed, alike; or hubble.")],
    output: options.Output,
    survey: Annotated[str, typer.Option(help="Survey of the cutouts: a name, or a YAML file.")],
    n: Annotated[int, typer.Option("-n", "--count", help="Number of objects.")],
    seed: options.Seed = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="Table with id, z_lens, sigma_v, psf of the galaxies.")
    ] = None,
    source_catalogue: Annotated[
        Path | None, typer.Option(help="Table with id, z_src, mag_<band> of the sources.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="doubles, quads or both.")] = None,
    theta_e: Annotated[str | None, typer.Option(help="natural, or flat.")] = None,
    min_theta_e: Annotated[float | None, typer.Option(help="Least Einstein radius (0.5).")] = None,
    max_theta_e: Annotated[float | None, typer.Option(help="Largest (5.0), arcsec.")] = None,
    per_bin: Annotated[int | None, typer.Option(help="flat: most lenses per 0.1 arcsec.")] = None,
    band: Annotated[str | None, typer.Option(help="Band of moments and source centre (i).")] = None,
    centre_scatter: Annotated[
        float | None, typer.Option(help="Scatter of the mass about the light, arcsec (0.05).")
    ] = None,
    q_scatter: Annotated[float | None, typer.Option(help="The same, axis ratio (0.05).")] = None,
    angle_scatter: Annotated[float | None, typer.Option(help="The same, degrees (10).")] = None,
    independent_share: Annotated[
        float | None, typer.Option(help="Share whose mass does not follow the light (0).")
    ] = None,
    max_shear: Annotated[float | None, typer.Option(help="External shear up to this (0).")] = None,
    non_lenses: Annotated[
        float | None, typer.Option(help="Share of galaxies without arcs, for finders (0).")
    ] = None,
    poisson: Annotated[bool, typer.Option("--poisson", help="Photon noise of the arcs.")] = False,
    cosmology: Annotated[str | None, typer.Option(help="planck18, schuldt2021, ...")] = None,
    planes: Annotated[
        str, typer.Option(help="S1 painted, S3 arcs alone, LENS galaxy alone, MU magnification.")
    ] = "S1",
    format: Annotated[str | None, typer.Option(help="tfrecord, fits or npz.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; any number, same mocks.")] = None,
    layout: options.Layout = None,
    source_layout: Annotated[str | None, typer.Option(help="The same for the sources.")] = None,
    band_map: Annotated[
        str | None, typer.Option(help="Bands of the cutouts for the survey's, e.g. i=F814W.")
    ] = None,
    source_band_map: Annotated[
        str | None, typer.Option(help="Bands of the sources for the survey's: g=F435W,r=F606W.")
    ] = None,
    resample: options.Resample = False,
    max_bad_fraction: options.MaxBad = None,
    psf_scale: Annotated[
        float | None, typer.Option(help="Arcsec/pixel of PSF images, where files do not say.")
    ] = None,
    assume_pixel_scale: options.AssumeScale = None,
    assume_unit: options.AssumeUnit = None,
    assume_zero_point: options.AssumeZeroPoint = None,
    source_pixel_scale: Annotated[
        float | None, typer.Option(help="Arcsec/pixel of sources that do not say.")
    ] = None,
    source_unit: Annotated[str | None, typer.Option(help="Pixel unit of such sources.")] = None,
    source_zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude of one unit of such sources.")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write a page with pictures.")] = True,
    overwrite: options.Overwrite = False,
) -> None:
    """Paint lensed arcs of real, sharp galaxies on real galaxies: your own training set."""
    with quietly():
        from lensfinder.data import Assume
        from lensfinder.paint import Settings
        from lensfinder.paint import paint as run
        from lensfinder.paint.run import LENSES, PAGE
        from lensfinder.paint.words import summary
    settings = Settings.of(
        poisson=poisson,
        **options.given(
            kind=kind,
            theta_E=theta_e,
            min_theta_E=min_theta_e,
            max_theta_E=max_theta_e,
            per_bin=per_bin,
            band=band,
            centre_scatter=centre_scatter,
            q_scatter=q_scatter,
            angle_scatter=None if angle_scatter is None else math.radians(angle_scatter),
            independent_share=independent_share,
            max_shear=max_shear,
            non_lenses=non_lenses,
            cosmology=cosmology,
        ),
    )
    reading = options.given(
        layout=layout,
        band_map=options.pairs(band_map),
        resample=resample or None,
        max_bad_fraction=max_bad_fraction,
        psf_scale=psf_scale,
        assume=Assume(assume_pixel_scale, assume_unit, assume_zero_point),
    )
    source_reading = options.given(
        layout=source_layout,
        band_map=options.pairs(source_band_map),
        assume=Assume(source_pixel_scale, source_unit, source_zero_point),
    )
    with options.bar(n) as advance:
        folder = run(
            lenses,
            sources,
            output=output,
            survey=survey,
            n=n,
            settings=settings,
            planes=tuple(planes.split(",")),
            catalogue=catalogue,
            source_catalogue=source_catalogue,
            reading=reading,
            source_reading=source_reading,
            report=report,
            overwrite=overwrite,
            progress=advance,
            **options.given(seed=seed, format=format, workers=workers),
        )
    for line in summary(folder):
        typer.echo(line)
    typer.echo(f"{n} objects  {folder}")
    typer.echo(f"inputs  {folder / LENSES}")
    if report:
        typer.echo(f"page   {folder / PAGE}")
