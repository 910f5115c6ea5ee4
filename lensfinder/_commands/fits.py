"""The verb that fits lenses by reconstructing their sources."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.counter import FitCounter
from lensfinder._commands.quiet import quietly


@options.block("terms", options.mass_fit)
def fit(
    images: options.Images,
    output: options.Output = Path("fits.ecsv"),
    terms=None,
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
    where, model, reading = terms
    state = output.with_suffix(".state")
    with FitCounter() as counter:
        table = run(
            images,
            output=output,
            state=state if resumable else None,
            report=report,
            overwrite=overwrite,
            watch=[counter],
            **where,
            **model,
            **reading,
        )
    counts = ", ".join(f"{count} {name}" for name, count in table.meta["counts"].items())
    typer.echo(f"{len(table)} images: {counts or 'none'}")
    typer.echo(f"table  {output}")
    if report:
        from lensfinder.predict import page_path

        typer.echo(f"page   {page_path(True, output)}")
