"""The verb that searches the settings of a training."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly


def grid(
    recipe: Annotated[str, typer.Argument(help="A recipe, the preset it makes, or a YAML file.")],
    values: Annotated[
        str,
        typer.Argument(help="YAML file of lists (`learning_rate: [0.01, 0.001]`), or schuldt2021."),
    ],
    output: options.Output,
    folds: Annotated[int | None, typer.Option(help="Cross-validate every run.")] = None,
    procedure: Annotated[
        str | None,
        typer.Option(help="With --folds: mean-curve to train the best on all folds at last."),
    ] = None,
    objects: Annotated[
        int | None, typer.Option(help="With --folds: mocks that are stored.")
    ] = None,
    shards: Annotated[Path | None, typer.Option(help="With --folds: shards to use.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long; resume later.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="0 none, 1 a thread, more: processes.")
    ] = None,
) -> None:
    """Train a recipe with every combination of some values, or go on with it; one table of runs."""
    with quietly():
        from lensfinder.training import grid_search
    given = options.given(
        folds=folds,
        procedure=procedure,
        objects=objects,
        shards=shards,
        minutes=minutes,
        workers=workers,
    )
    result = grid_search(recipe, values, output, **given)
    for row in result.best:
        typer.echo(f"best {row['run']}: loss {row['val_loss']:.5g}, epoch {row['best_epoch']}")
    counts = Counter(result.table["status"].tolist())
    typer.echo(", ".join(f"{count} {name}" for name, count in counts.items()))
    typer.echo(f"{'finished' if result.finished else 'to be resumed'}  {result.folder}")
