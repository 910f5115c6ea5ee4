"""The verb that says why an image got its score."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly


class _Counter:
    """A running count of images on stderr, for people only; a watcher of `explain`."""

    def __enter__(self):
        from rich.console import Console

        self._status, self._done = Console(stderr=True).status("starting"), 0
        return self

    def __exit__(self, *error):
        self._status.stop()

    def start(self, network, method):
        self._words = f"{method} of {network.preset.name}"
        if self._status.console.is_terminal:
            self._status.start()

    def explained(self, row, cutout, images, p_lens, explanation):
        self._done += 1
        self._status.update(f"{self._words}: {self._done:,} images")

    def finish(self, table):
        """The table is complete; the count ends with the ``with`` block."""


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
    layout: options.Layout = None,
    resample: options.Resample = False,
    calibrate: options.Calibrate = False,
    band_map: options.BandMap = None,
    pad: options.Pad = False,
    max_bad_fraction: options.MaxBad = None,
    assume_pixel_scale: options.AssumeScale = None,
    assume_unit: options.AssumeUnit = None,
    assume_zero_point: options.AssumeZeroPoint = None,
    report: options.Report = True,
    batch_size: options.BatchSize = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show which regions of the sky speak for a lens, and which against: maps, table and page."""
    with quietly():
        from lensfinder.explain.run import MAPS, PAGE, TABLE
        from lensfinder.explain.run import explain as run
    with _Counter() as counter:
        table = run(
            images,
            output=output,
            layout=layout,
            resample=resample,
            fitting=options.fitting(
                calibrate,
                band_map,
                pad,
                max_bad_fraction,
                assume_pixel_scale,
                assume_unit,
                assume_zero_point,
            ),
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
                batch_size=batch_size,
            ),
        )
    counts = ", ".join(f"{count} {name}" for name, count in table.meta["counts"].items())
    typer.echo(f"{len(table)} images: {counts or 'none'}")
    typer.echo(f"table  {output / TABLE}")
    typer.echo(f"maps   {output / MAPS}")
    if report:
        typer.echo(f"page   {output / PAGE}")
