"""The verb that trains a preset on for another survey."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly


def _layers(text: str | None) -> str | int | None:
    return int(text) if text is not None and text.isdigit() else text


@options.block("fitting", options.fitting, without=["band_map"])
def adapt(
    preset: Annotated[str, typer.Argument(help="The base: name or folder of a preset.")],
    labelled: Annotated[
        list[str], typer.Argument(help="Labelled images: files, folders, or a folder of shards.")
    ],
    output: options.Output,
    labels: Annotated[
        Path | None, typer.Option(help="Table: columns id and label (1 or 0), or parameters.")
    ] = None,
    survey: Annotated[str | None, typer.Option(help="Of the images; a name or YAML file.")] = None,
    band_map: Annotated[
        str | None, typer.Option(help="Bands to take for the base's, e.g. VIS=r,H=i,J=g,Y=u.")
    ] = None,
    field: Annotated[
        str | None, typer.Option(help="sky: as wide as the base saw; stamp: the whole stamp.")
    ] = None,
    resize: Annotated[str | None, typer.Option(help="linear, area or cubic (OpenCV).")] = None,
    layers: Annotated[
        str | None, typer.Option(help="What is trained: all, head, or last n.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of Adam.")] = None,
    batch_norm: Annotated[str | None, typer.Option(help="frozen, recalibrated or trained.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Most epochs.")] = None,
    augment: Annotated[
        bool | None,
        typer.Option(help="Show images turned by quarters and mirrored; done unless refused."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of folds, order and augmentation.")] = None,
    layout: options.Layout = None,
    resample: options.Resample = False,
    fitting=None,
    overwrite: options.Overwrite = False,
) -> None:
    """Adapt a preset to another survey with a few labelled images; the base stays as it is."""
    with quietly():
        from lensfinder.adapt import adapt as run
        from lensfinder.specs import View, validate
        from lensfinder.training import Tuning
    view = options.given(bands=options.pairs(band_map), field=field, resize=resize)
    tuning = options.given(
        layers=_layers(layers),
        learning_rate=learning_rate,
        batch_norm=batch_norm,
        epochs=epochs,
        augment=augment,
        seed=seed,
    )
    made = run(
        preset,
        labelled[0] if len(labelled) == 1 else labelled,
        output,
        labels=labels,
        survey=survey,
        view=validate(View, view, "the options of adapt"),
        tuning=validate(Tuning, tuning, "the options of adapt"),
        layout=layout,
        fitting=fitting,
        resample=resample,
        overwrite=overwrite,
        note=lambda text: typer.echo(text, err=True),
    )
    found = made.metrics[made.task]
    if made.task == "finder":
        earlier = made.metrics["before_training"]["roc_auc"]
        typer.echo(f"ROC AUC {found['roc_auc']:.4f} (before training {earlier:.4f})")
    else:
        for name, values in found["parameters"].items():
            earlier = made.metrics["before_training"]["parameters"][name]["rms"]
            typer.echo(f"{name} RMS {values['rms']:.4f} (before training {earlier:.4f})")
    held = made.metrics["held_out"]
    typer.echo(f"on {held['n']} objects it was not trained on: {held['scheme']}")
    typer.echo(f"preset  {made.folder}")
