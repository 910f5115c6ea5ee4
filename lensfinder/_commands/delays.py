"""The verbs about lensed images and their delays."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options

Table = Annotated[Path, typer.Argument(help="Table of lenses: .ecsv, .fits, .parquet or .csv.")]
ZLens = Annotated[float | None, typer.Option("--z-lens", help="Redshift of every lens.")]
ZSrc = Annotated[float | None, typer.Option("--z-src", help="Redshift of every source.")]
Cosmology = Annotated[
    str | None, typer.Option(help="planck18, pearson2019, schuldt2021, or a name of astropy's.")
]
Posterior = Annotated[
    Path | None, typer.Option(help=".npz of draws per parameter, or of names and covariance.")
]
Sigma = Annotated[
    str | None, typer.Option(help="Errors that the table lacks, e.g. x_lens=0.05,y_lens=0.05.")
]
Draws = Annotated[int | None, typer.Option(help="Draws of the posterior per lens; 0 for none.")]


def _orientation(north_up: bool, wcs: Path | None):
    from lensfinder.lensing.sky import Orientation

    if wcs is None:
        return Orientation() if north_up else None
    if north_up:
        raise typer.BadParameter("Give --north-up or --wcs, not both.")
    from lensfinder.data.fits_file import FitsFile

    file = FitsFile(wcs)
    return Orientation.from_wcs(dict(file.header(file.units[0])))


def say_exact(result) -> None:
    """Say which parameters were taken to be known exactly, and what to do about it."""
    names = result.meta["exact_zero"]
    if names:
        hint = f"errors that follow are too small; --sigma {names[0]}=0.05,... gives them one"
        typer.echo(f"zero without an error: {', '.join(names)} ({hint})")


def delays(
    table: Table,
    output: options.Output = Path("delays.ecsv"),
    z_lens: ZLens = None,
    z_src: ZSrc = None,
    cosmology: Cosmology = None,
    posterior: Posterior = None,
    sigma: Sigma = None,
    draws: Draws = None,
    seed: options.Seed = None,
    position_error: Annotated[
        float | None, typer.Option(help="Error of observed image positions, per axis, arcsec.")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="When the observed image was seen, e.g. 2026-03-01.")
    ] = None,
    north_up: Annotated[
        bool, typer.Option("--north-up", help="North is up and east is left in the images.")
    ] = False,
    wcs: Annotated[
        Path | None, typer.Option(help="FITS image whose header says where north is.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print what was found.")] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Find every image of the source behind each lens: where it is, and when it appears."""
    from lensfinder.delays import delays as run
    from lensfinder.delays import describe

    result = run(
        table,
        output=output,
        z_lens=z_lens,
        z_src=z_src,
        date=date,
        orientation=_orientation(north_up, wcs),
        overwrite=overwrite,
        **options.given(
            cosmology=cosmology,
            posterior=posterior,
            sigma=options.numbers(sigma),
            draws=draws,
            seed=seed,
            position_error=position_error,
        ),
    )
    if not quiet:
        for text in describe(result):
            typer.echo(text)
    counts = ", ".join(f"{count} {name}" for name, count in result.meta["counts"].items())
    typer.echo(f"{result.meta['systems']} lenses: {counts or 'none'}")
    if result.meta["assumed_zero"]:
        typer.echo(f"taken as zero, not in the table: {', '.join(result.meta['assumed_zero'])}")
    say_exact(result)
    typer.echo(f"table  {output}")


def compare_delays(
    truth: Annotated[Path, typer.Argument(help="Table of true lenses, sources and redshifts.")],
    predicted: Annotated[Path, typer.Argument(help="Table of predicted lenses, same ids.")],
    output: options.Output = Path("delay-errors.ecsv"),
    cosmology: Cosmology = None,
    match: Annotated[
        str | None, typer.Option(help="Pair images by 'position' or by 'arrival'.")
    ] = None,
    theta_e_min: Annotated[
        float, typer.Option("--theta-E-min", help="Smallest true Einstein radius in the figures.")
    ] = 0.0,
    overwrite: options.Overwrite = False,
) -> None:
    """Compare images and delays of predicted lenses with the true ones (Schuldt et al. 2021)."""
    from lensfinder.delays import compare_delays as run
    from lensfinder.delays import summarise
    from lensfinder.report.delays import plot_delay_errors
    from lensfinder.tables import check_output, refuse_existing, write_table

    output, figure = check_output(output, overwrite=overwrite), Path(output).with_suffix(".png")
    refuse_existing(figure, overwrite)
    table = run(truth, predicted, **options.given(cosmology=cosmology, match=match))
    write_table(table, output, overwrite=overwrite)
    figures = summarise(table, theta_E_min=theta_e_min)
    typer.echo(json.dumps(figures, indent=1))
    typer.echo(f"table  {output}")
    if figures["all"]["images"]:
        typer.echo(f"figure {plot_delay_errors(table, figure, theta_E_min=theta_e_min)}")
    else:
        figure.unlink(missing_ok=True)  # of another table
        typer.echo("figure none: no system can be compared, see the table's status")
