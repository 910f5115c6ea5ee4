"""The verb that takes the noise and the lens off images."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.counter import RunCounter
from lensfinder._commands.quiet import quietly


@options.block("fitting", options.fitting)
def clean(
    images: options.Images,
    output: options.Output = Path("cleaned"),
    preset: Annotated[
        str | None, typer.Option(help="A cleaner: name of a preset, or a folder.")
    ] = None,
    denoiser: Annotated[
        str | None, typer.Option(help="Another one that denoises for it (modular training).")
    ] = None,
    intermediate: Annotated[
        bool, typer.Option("--intermediate", help="Write the denoised images, too.")
    ] = False,
    tiles: Annotated[
        bool, typer.Option("--tiles", help="Clean whole tiles, of any size, in pieces.")
    ] = False,
    survey: Annotated[
        str | None, typer.Option(help="Whose zero points the files get; a name or YAML file.")
    ] = None,
    layout: options.Layout = None,
    resample: options.Resample = False,
    fitting=None,
    report: options.Report = True,
    batch_size: options.BatchSize = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Denoise and deblend images: FITS cutouts of the source alone, a table of fluxes, and a page.

    Of a folder of shards (`lensfinder simulate`), shards of the sources with the same truth.
    """
    if any((Path(each) / "manifest.json").is_file() for each in images):
        fits = any(fitting.options().values())
        if len(images) > 1 or intermediate or tiles or resample or layout or survey or fits:
            raise typer.BadParameter(
                "One folder of shards is cleaned, as it is: leave the other options out."
            )
        _shards(images[0], output, preset, denoiser, batch_size, overwrite)
        return
    with quietly():
        from lensfinder.clean import TABLE
        from lensfinder.clean import clean as run
        from lensfinder.predict import page_path
    with RunCounter() as counter:
        table = run(
            images,
            output,
            preset=preset,
            denoiser=denoiser,
            intermediate=intermediate,
            tiles=tiles,
            survey=survey,
            layout=layout,
            resample=resample,
            fitting=fitting,
            report=report,
            overwrite=overwrite,
            watch=[counter],
            **options.given(batch_size=batch_size),
        )
    counts = ", ".join(f"{count} {name}" for name, count in table.meta["counts"].items())
    typer.echo(f"{len(table)} images: {counts or 'none'}")
    for name, share in table.meta["flux_conservation"].items():
        typer.echo(f"{name}: {'-' if share is None else f'{share:.3f}'} of the flux given")
    typer.echo(f"table  {output / TABLE}")
    if report:
        typer.echo(f"page   {page_path(True, output / TABLE)}")


def _shards(folder, output, preset, denoiser, batch_size, overwrite) -> None:
    with quietly():
        from lensfinder.data import read_manifest
        from lensfinder.predict.cleaned_shards import clean_shards
    with options.bar(read_manifest(folder).rows) as advance:
        counts = clean_shards(
            folder,
            output,
            preset=preset,
            denoiser=denoiser,
            overwrite=overwrite,
            progress=advance,
            **options.given(batch_size=batch_size),
        )
    said = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    typer.echo(f"{sum(counts.values())} mocks: {said}; those that are ok were written")
    typer.echo(f"shards {output}")
