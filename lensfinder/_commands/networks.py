"""The verbs that train and measure networks."""

import json
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
) -> None:
    """Train a recipe, or go on with a training that was interrupted."""
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


def evaluate(
    preset: Annotated[str, typer.Argument(help="Name or folder of a preset.")],
    count: Annotated[int | None, typer.Option("-n", "--count", help="Number of mocks.")] = None,
    seed: options.Seed = None,
    population: Annotated[str | None, typer.Option(help="By default the preset's own.")] = None,
    survey: Annotated[str | None, typer.Option(help="By default the preset's own.")] = None,
    output: options.OptionalOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure a preset on fresh mocks, and print the figures as JSON."""
    with quietly():
        from lensfinder.evaluate import evaluate as run
    given = options.given(n=count, seed=seed, population=population, survey=survey, out=output)
    figures = run(preset, overwrite=overwrite, **given)
    typer.echo(json.dumps(figures, indent=1))
