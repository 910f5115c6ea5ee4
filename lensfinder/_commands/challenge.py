"""``lensfinder challenge``: the public lens-finding challenges, in and out."""

import collections
import json
from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly

challenge = typer.Typer(no_args_is_help=True, help="The public lens-finding challenges.")
_Name = Annotated[str, typer.Argument(help="See `lensfinder challenge list`.")]
_Images = Annotated[list[str], typer.Argument(help="Folders as they come out of the archive.")]
_Catalogue = Annotated[Path | None, typer.Option(help="Its catalogue, where it has one.")]


@challenge.command("list")
def challenge_list() -> None:
    """The challenges, and the survey whose stamps theirs are."""
    from lensfinder.data import challenge_names, load_challenge

    for name in challenge_names():
        typer.echo(f"{name:26} {load_challenge(name).survey}")


@challenge.command("read")
@options.block("fitting", options.fitting, without=["assume_pixel_scale"])
def challenge_read(
    name: _Name,
    images: _Images,
    output: options.Output,
    catalogue: _Catalogue = None,
    survey: Annotated[str | None, typer.Option(help="By default the challenge's own.")] = None,
    resample: options.Resample = False,
    fitting=None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write labelled objects as shards to train on; what cannot be used is listed beside them."""
    with quietly():
        from lensfinder.data import challenge_shards
    manifest, rejected = challenge_shards(
        name,
        images,
        output,
        catalogue=catalogue,
        survey=survey,
        resample=resample,
        fitting=fitting.arguments(),
        overwrite=overwrite,
    )
    typer.echo(f"{manifest.rows} objects  {output}")
    counts = collections.Counter(reason.split(":")[0] for reason in rejected["reason"])
    for reason, count in counts.most_common():
        typer.echo(f"{count} left out: {reason}")


@challenge.command("submit")
@options.block("fitting", options.fitting, without=["assume_pixel_scale"])
def challenge_submit(
    name: _Name,
    images: _Images,
    output: options.Output,
    preset: options.Preset = None,
    catalogue: _Catalogue = None,
    unscored: Annotated[
        float | None, typer.Option(help="What to submit where there is no score.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="For entries that are decisions.")] = 0.5,
    resample: options.Resample = False,
    fitting=None,
    overwrite: options.Overwrite = False,
) -> None:
    """Score a challenge and write the entry; with known labels, print the figures as JSON."""
    with quietly():
        from lensfinder.data import labels_of, load_challenge, write_submission
        from lensfinder.find import find
    table = find(
        images,
        layout=load_challenge(name).name,
        resample=resample,
        fitting=fitting,
        report=False,
        **options.given(preset=preset),
    )
    path = write_submission(
        name,
        output,
        table["id"],
        table["p_lens"],
        unscored=unscored,
        threshold=threshold,
        overwrite=overwrite,
    )
    counts = ", ".join(f"{count} {status}" for status, count in table.meta["counts"].items())
    typer.echo(f"{len(table)} objects: {counts}")
    typer.echo(f"entry  {path}")
    if catalogue is not None:
        labels = labels_of(name, table["id"], catalogue=catalogue)
        typer.echo(json.dumps(_figures(labels, table), indent=1))


def _figures(labels, table) -> dict:
    import numpy as np

    from lensfinder.training.scores import finder_figures

    scores = np.asarray(table["p_lens"], float)
    known = np.isfinite(labels) & np.isfinite(scores)
    return finder_figures(labels[known], scores[known], rng=np.random.default_rng(1))
