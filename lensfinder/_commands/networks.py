"""The verbs that train and measure networks."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a YAML file.")],
    output: options.Output,
    resume: Annotated[bool, typer.Option(help="Go on with a training found there.")] = True,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long; resume later.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="0 none, 1 a thread, more: processes.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validate: once per fold.")] = None,
    procedure: Annotated[
        str | None,
        typer.Option(help="With --folds: per-fold, or mean-curve to train on all folds at last."),
    ] = None,
    objects: Annotated[
        int | None, typer.Option(help="With --folds: mocks that are stored.")
    ] = None,
    shards: Annotated[Path | None, typer.Option(help="With --folds: shards to use.")] = None,
    split_by: Annotated[
        str | None,
        typer.Option(help="With --folds: column to share out, such as lens_id of painted mocks."),
    ] = None,
) -> None:
    """Train a recipe, or go on with a training that was interrupted."""
    if folds is not None:
        given = options.given(
            minutes=minutes,
            workers=workers,
            objects=objects,
            shards=shards,
            procedure=procedure,
            split_by=split_by,
        )
        _cross_validate(recipe, output, folds=folds, resume=resume, **given)
        return
    if any(option is not None for option in (objects, shards, procedure, split_by)):
        raise typer.BadParameter(
            "These go with --folds only: --objects, --shards, --procedure, --split-by."
        )
    with quietly():
        from lensfinder.training import train as run
    result = run(recipe, output, resume=resume, **options.given(minutes=minutes, workers=workers))
    if result.history:
        from lensfinder.report.history import plot_history

        plot_history(result.history, result.folder / "history.png")
    if result.best_epoch:
        best = result.history[result.best_epoch - 1]
        loss = f", validation loss {best['val_loss']:.5g}" if "val_loss" in best else ""
        typer.echo(f"best epoch {result.best_epoch} of {len(result.history)}{loss}")
    typer.echo(f"{'finished' if result.finished else 'to be resumed'}  {result.folder}")


def _cross_validate(recipe, output, *, folds, **given) -> None:
    with quietly():
        from lensfinder.training import cross_validate as run
    result = run(recipe, output, folds=folds, **given)
    if result.finished:
        sample = "test" if (result.table["test_folds"] > 0).any() else "validation"
        chosen = [
            row for row in result.table if row[f"{sample}_folds"] and "." not in row["figure"]
        ]
        for row in chosen:
            mean, std = row[f"{sample}_mean"], row[f"{sample}_std"]
            typer.echo(f"{row['figure']:24} {mean:.4f} +- {std:.4f}")
        typer.echo(f"over {folds} folds, on the {sample} sample")
    if result.final is not None:
        final = result.final
        typer.echo(
            f"trained on all folds to epoch {final['epochs']}, where their mean validation loss is "
            f"{final['mean_val_loss']:.5g}"
        )
    done = f"{len(result.folds)} of {folds} folds"
    typer.echo(f"{'finished' if result.finished else f'to be resumed ({done})'}  {result.folder}")


def evaluate(
    preset: Annotated[str, typer.Argument(help="Name or folder of a preset.")],
    count: Annotated[int | None, typer.Option("-n", "--count", help="Number of mocks.")] = None,
    seed: options.Seed = None,
    population: Annotated[str | None, typer.Option(help="By default the preset's own.")] = None,
    survey: Annotated[str | None, typer.Option(help="By default the preset's own.")] = None,
    images: Annotated[
        list[str] | None, typer.Option(help="Labelled images instead of mocks; may be repeated.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Their table: columns id and label (1 or 0), CSV or ECSV.")
    ] = None,
    layout: options.Layout = None,
    resample: options.Resample = False,
    calibrate: options.Calibrate = False,
    band_map: options.BandMap = None,
    pad: options.Pad = False,
    max_bad_fraction: options.MaxBad = None,
    assume_pixel_scale: options.AssumeScale = None,
    assume_unit: options.AssumeUnit = None,
    assume_zero_point: options.AssumeZeroPoint = None,
    threshold: Annotated[
        float | None, typer.Option(help="Of the selection function; by default at FPR 0.01.")
    ] = None,
    output: options.OptionalOutput = None,
    table: Annotated[
        str | None, typer.Option(help="Table of all objects: ecsv, parquet, fits or csv.")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure a preset on fresh mocks or labelled images; print the figures as JSON.

    With -o a folder is written: metrics.json, a table of all objects, the selection function, the
    detection limit, and the figures.
    """
    with quietly():
        from lensfinder.evaluate import evaluate as run
    fitted = {}
    if images is not None:
        fitted["fitting"] = options.fitting(
            calibrate,
            band_map,
            pad,
            max_bad_fraction,
            assume_pixel_scale,
            assume_unit,
            assume_zero_point,
        )
    given = options.given(
        n=count,
        seed=seed,
        population=population,
        survey=survey,
        images=images,
        labels=labels,
        layout=layout,
        threshold=threshold,
        out=output,
        table=table,
    )
    figures = run(preset, resample=resample, overwrite=overwrite, **given, **fitted)
    typer.echo(json.dumps(figures, indent=1))
