"""The verbs that take images: find, model, and the example."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.counter import RunCounter
from lensfinder._commands.quiet import quietly


def _summary(table, output: Path, report: bool) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in table.meta["counts"].items())
    typer.echo(f"{len(table)} images: {counts or 'none'}")
    if "threshold" in table.meta:
        threshold = table.meta["threshold"]
        found = int((table["p_lens"] >= threshold).sum())  # NaN compares false
        typer.echo(f"{found} candidates with p_lens >= {threshold:g}")
    typer.echo(f"table  {output}")
    if report:
        from lensfinder.predict import page_path

        typer.echo(f"page   {page_path(True, output)}")


@options.block("fitting", options.fitting)
def find(
    images: options.Images,
    output: options.Output = Path("candidates.ecsv"),
    preset: options.Preset = None,
    threshold: Annotated[float | None, typer.Option(help="Candidates have at least this.")] = None,
    prevalence: Annotated[
        float | None, typer.Option(help="Lenses per image where these come from, e.g. 0.001.")
    ] = None,
    model: Annotated[bool, typer.Option("--model", help="Also model the candidates.")] = False,
    modeller: Annotated[
        list[str] | None, typer.Option(help="Preset that models them; several: an ensemble.")
    ] = None,
    clean: options.Clean = None,
    denoiser: options.Denoiser = None,
    cleaned: options.Cleaned = None,
    mask_blobs: options.MaskBlobs = False,
    multi_scale: Annotated[
        bool, typer.Option("--multi-scale", help="Score the enlarged centre of each image, too.")
    ] = False,
    layout: options.Layout = None,
    resample: options.Resample = False,
    fitting=None,
    report: options.Report = True,
    batch_size: options.BatchSize = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Score images for being a strong lens: one row per image, and a page to look at."""
    with quietly():
        from lensfinder.find import find as run
    with RunCounter() as counter:
        table = run(
            images,
            output=output,
            model=modeller or model,
            clean=clean,
            denoiser=denoiser,
            cleaned=cleaned,
            mask_blobs=mask_blobs,
            multi_scale=multi_scale,
            layout=layout,
            resample=resample,
            fitting=fitting,
            report=report,
            overwrite=overwrite,
            watch=[counter],
            **options.given(
                preset=preset,
                threshold=threshold,
                prevalence=prevalence,
                batch_size=batch_size,
            ),
        )
    _summary(table, output, report)


@options.block("fitting", options.fitting)
def model(
    images: options.Images,
    output: options.Output = Path("parameters.ecsv"),
    preset: options.Members = None,
    clean: options.Clean = None,
    denoiser: options.Denoiser = None,
    cleaned: options.Cleaned = None,
    mask_blobs: options.MaskBlobs = False,
    layout: options.Layout = None,
    resample: options.Resample = False,
    fitting=None,
    posterior: Annotated[
        Path | None, typer.Option(help="Keep draws of every lens' posterior in this .npz.")
    ] = None,
    draws: Annotated[int | None, typer.Option(help="With --posterior: draws per lens.")] = None,
    seed: options.Seed = None,
    report: options.Report = True,
    batch_size: options.BatchSize = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Predict the lens parameters of images of lenses: one row per image, and a page."""
    with quietly():
        from lensfinder.model import model as run
    with RunCounter() as counter:
        table = run(
            images,
            output=output,
            clean=clean,
            denoiser=denoiser,
            cleaned=cleaned,
            mask_blobs=mask_blobs,
            layout=layout,
            resample=resample,
            fitting=fitting,
            posterior=posterior,
            report=report,
            overwrite=overwrite,
            watch=[counter],
            **options.given(preset=preset or None, batch_size=batch_size, draws=draws, seed=seed),
        )
    _summary(table, output, report)
    if posterior is not None:
        typer.echo(f"draws  {posterior}")


def example(
    output: options.Output = Path("out"),
    preset: options.Preset = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find and model lenses among real galaxies and labelled mocks, which it writes first."""
    with quietly():
        from lensfinder.report import example as run
    page = run(output, preset=preset, overwrite=overwrite)
    typer.echo(f"table  {output / 'candidates.ecsv'}")
    typer.echo(f"page   {page.resolve().as_uri()}")
