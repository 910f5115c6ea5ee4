"""The verbs that train and measure networks."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly

NO_CLEANER = "none"


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe, the preset it makes, or a YAML file.")],
    output: options.OptionalOutput = None,
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
    presets: Annotated[
        bool,
        typer.Option("--presets", help="With --folds: write every fold's network as a preset."),
    ] = False,
    zoo: Annotated[
        bool,
        typer.Option("--zoo", help="Measure it at last; write its preset if that is better now."),
    ] = False,
    fit_schedule: Annotated[
        bool, typer.Option("--fit-schedule", help="With --zoo: as many epochs as fit in --minutes.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(help="With --zoo: float32, mixed_bfloat16, or auto (by device).")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --zoo: write the preset even if not better.")
    ] = False,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="With --presets or --zoo: best (the default), temperature, isotonic, or none, as "
            "where a network has learned too little to be calibrated."
        ),
    ] = None,
) -> None:
    """Train a recipe, or go on with a training that was interrupted."""
    if zoo:
        alone = (folds, objects, shards, procedure, split_by, presets or None)
        if not resume or any(option is not None for option in alone):
            raise typer.BadParameter("--zoo goes on with what is there, and knows no folds.")
        _zoo(recipe, output, minutes, workers, fit_schedule, precision, replace, calibration)
    if output is None:
        raise typer.BadParameter("Say where to write: -o FOLDER.")
    if fit_schedule or replace or precision is not None:
        raise typer.BadParameter(
            "These go with --zoo only: --fit-schedule, --precision, --replace."
        )
    if calibration is not None:
        _refuse_calibration(calibration, presets)
    if folds is not None:
        given = options.given(
            minutes=minutes,
            workers=workers,
            objects=objects,
            shards=shards,
            procedure=procedure,
            split_by=split_by,
        )
        if presets:
            _refuse_untested(recipe)
        finished = _cross_validate(recipe, output, folds=folds, resume=resume, **given)
        if presets and finished:
            with quietly():
                from lensfinder.training import fold_presets
            fold_presets(output, note=typer.echo, **options.given(calibration=calibration))
        return
    if presets or any(option is not None for option in (objects, shards, procedure, split_by)):
        raise typer.BadParameter(
            "These go with --folds only: --objects, --shards, --procedure, --split-by, --presets."
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


def _refuse_untested(recipe) -> None:
    """Before hours of training, what would keep the folds from becoming presets."""
    with quietly():
        from lensfinder.errors import RecipeError
        from lensfinder.training import load_recipe
    found = load_recipe(recipe)
    if found.test is None:
        raise RecipeError(
            f"A preset needs figures, and the recipe of {found.preset} has no test sample. Add "
            "`test:` to it."
        )


def _refuse_calibration(calibration, presets) -> None:
    """Before hours of training, a calibration that there is not."""
    with quietly():
        from lensfinder.errors import UnknownNameError
        from lensfinder.training.calibrate import CALIBRATIONS
    if not presets:
        raise typer.BadParameter("--calibration goes with --presets or --zoo.")
    if calibration not in CALIBRATIONS:
        raise UnknownNameError("calibration", calibration, CALIBRATIONS)


def _zoo(recipe, output, minutes, workers, fit_schedule, precision, replace, calibration) -> None:
    """As ``python -m lensfinder.training.zoo``, whose exit code it leaves with."""
    with quietly():
        from lensfinder.training.zoo import main as run
    words = {"--out": output, "--minutes": minutes, "--workers": workers, "--precision": precision}
    words["--calibration"] = calibration
    flags = {"--fit-schedule": fit_schedule, "--replace": replace}
    line = [recipe, *(f"{key}={value}" for key, value in words.items() if value is not None)]
    raise typer.Exit(run([*line, *(key for key, asked in flags.items() if asked)]))


def _cross_validate(recipe, output, *, folds, **given) -> bool:
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
    return result.finished


@options.block("fitting", options.fitting)
def evaluate(
    preset: Annotated[str, typer.Argument(help="Name or folder of a preset.")],
    count: Annotated[int | None, typer.Option("-n", "--count", help="Number of mocks.")] = None,
    seed: options.Seed = None,
    start: Annotated[int | None, typer.Option(help="Number of the first mock of the seed.")] = None,
    population: Annotated[str | None, typer.Option(help="By default the preset's own.")] = None,
    survey: Annotated[str | None, typer.Option(help="By default the preset's own.")] = None,
    images: Annotated[
        list[str] | None, typer.Option(help="Labelled images instead of mocks; may be repeated.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Their table: columns id and label (1 or 0), CSV or ECSV.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Of an auditor: a folder of reconstructions.")
    ] = None,
    clean: Annotated[
        str | None,
        typer.Option(help="The cleaner before the network; none: no cleaner, true sources."),
    ] = None,
    layout: options.Layout = None,
    resample: options.Resample = False,
    fitting=None,
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
    detection limit, and the figures. An auditor is measured on reconstructions of lenses: accuracy,
    confusion, precision and recall, and calibration.
    """
    with quietly():
        from lensfinder.evaluate import evaluate as run
    given = options.given(
        n=count,
        seed=seed,
        start=start,
        population=population,
        survey=survey,
        images=images,
        labels=labels,
        pairs=pairs,
        clean=False if clean == NO_CLEANER else clean,
        layout=layout,
        fitting=None if images is None else fitting,
        threshold=threshold,
        out=output,
        table=table,
    )
    figures = run(preset, resample=resample, overwrite=overwrite, **given)
    typer.echo(json.dumps(figures, indent=1))
