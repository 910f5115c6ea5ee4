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
        from lensfinder.data import labels_of, load_challenge, read_catalogue, write_submission
        from lensfinder.find import find
    contest = load_challenge(name)
    # read before anything is scored: a wrong catalogue, or one too many, is told at once
    known = None if catalogue is None else read_catalogue(contest, catalogue)
    places = _Places()
    table = find(
        images,
        layout=contest.name,
        resample=resample,
        fitting=fitting,
        report=False,
        watch=[places],
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
    if known is not None or contest.label is None:
        labels = labels_of(contest, table["id"], paths=places.paths, catalogue=known)
        _echo_figures(labels, table, asked=known is not None)


class _Places:
    """A listener that keeps where each object came from: folders label those of one challenge."""

    def __init__(self):
        self.paths = []

    def start(self, run):
        """Nothing is known yet."""

    def batch(self, first_row, cutouts, answers):
        self.paths += [cutout.path for cutout in cutouts]

    def finish(self, table):
        """All rows have been seen."""


def _echo_figures(labels, table, *, asked) -> None:
    import numpy as np

    from lensfinder.training.scores import finder_figures

    scores = np.asarray(table["p_lens"], float)
    known = np.isfinite(labels) & np.isfinite(scores)
    if np.unique(labels[known]).size == 2:
        figures = finder_figures(labels[known], scores[known], rng=np.random.default_rng(1))
        typer.echo(json.dumps(figures, indent=1))
    elif asked:
        typer.echo(
            f"no figures: of the {int(known.sum())} objects with a label and a score, "
            f"{int(labels[known].sum())} are lenses, and both kinds are needed"
        )
