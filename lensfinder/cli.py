"""The command line: every verb parses, calls the function of the same name, and says what came out.

Nothing heavy is imported until a verb runs, so that ``lensfinder --help`` is instant. Errors that
the package raises on purpose end as one line on stderr and exit code 2; ``--debug`` shows where
they came from. The verbs themselves are in ``_commands``; this file is the list of them.
"""

from typing import Annotated

import typer
from typer.core import TyperGroup

from lensfinder import __version__
from lensfinder._commands import (
    adapt,
    audit,
    challenge,
    clean,
    delays,
    explain,
    export,
    fits,
    grid,
    images,
    mocks,
    models,
    networks,
    paint,
    specs,
)
from lensfinder.errors import LensfinderError


class _Verbs(TyperGroup):
    """The group of all verbs; turns our own errors into one line."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except LensfinderError as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Find and model strong gravitational lenses in survey images.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lensfinder {__version__}")
        raise typer.Exit


@app.callback()
def _lensfinder(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find and model strong gravitational lenses in survey images."""


# In the order of --help: mocks, images in and tables out, networks.
VERBS = (
    mocks.simulate,
    paint.paint,
    images.find,
    images.model,
    fits.fit,
    clean.clean,
    audit.audit,
    delays.delays,
    delays.compare_delays,
    export.export,
    images.example,
    explain.explain,
    networks.train,
    grid.grid,
    networks.evaluate,
    adapt.adapt,
)
for _verb in VERBS:
    app.command()(_verb)
for _kind in specs.KINDS:
    app.add_typer(specs.kind_group(_kind), name=_kind)
app.add_typer(models.models, name="models")
app.add_typer(challenge.challenge, name="challenge")


def main(args: list[str] | None = None) -> None:
    """Run the command line.

    Parameters
    ----------
    args : list of str or None
        Arguments without the program's name; those of the process by default.
    """
    app(args=args, prog_name="lensfinder")


if __name__ == "__main__":
    main()
