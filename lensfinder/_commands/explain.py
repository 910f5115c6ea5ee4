"""The verb that says why an image got its score."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.counter import ExplainCounter
from lensfinder._commands.quiet import quietly


@options.block("fitting", options.fitting)
def explain(
    images: options.Images,
    output: options.Output = Path("explained"),
    method: Annotated[
        str | None, typer.Option(help="lime (the default), occlusion or gradients.")
    ] = None,
    preset: options.Preset = None,
    samples: Annotated[int | None, typer.Option(help="Perturbed images per seed.")] = None,
    regions: Annotated[int | None, typer.Option(help="Regions of the sky to aim at.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds, for the stability.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first of them.")] = None,
    fill: Annotated[str | None, typer.Option(help="What replaces a region: galaxy, sky.")] = None,
    check: Annotated[bool, typer.Option(help="Compare with the other methods.")] = True,
    clean: options.Clean = None,
    layout: options.Layout = None,
    resample: options.Resample = False,
    fitting=None,
    report: options.Report = True,
    batch_size: options.BatchSize = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show which regions of the sky speak for a lens, and which against: maps, table and page."""
    with quietly():
        from lensfinder.explain.run import MAPS, PAGE, TABLE
        from lensfinder.explain.run import explain as run
    with ExplainCounter() as counter:
        table = run(
            images,
            output=output,
            layout=layout,
            resample=resample,
            fitting=fitting,
            check=check,
            report=report,
            overwrite=overwrite,
            watch=[counter],
            **options.given(
                method=method,
                preset=preset,
                samples=samples,
                regions=regions,
                seeds=seeds,
                seed=seed,
                fill=fill,
                clean=clean,
                batch_size=batch_size,
            ),
        )
    counts = ", ".join(f"{count} {name}" for name, count in table.meta["counts"].items())
    typer.echo(f"{len(table)} images: {counts or 'none'}")
    typer.echo(f"table  {output / TABLE}")
    typer.echo(f"maps   {output / MAPS}")
    if report:
        typer.echo(f"page   {output / PAGE}")
