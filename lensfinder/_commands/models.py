"""``lensfinder models``: the pretrained presets."""

from typing import Annotated

import typer

from lensfinder._commands.quiet import quietly

models = typer.Typer(no_args_is_help=True, help="The pretrained presets.")


@models.command("list")
def models_list() -> None:
    """The presets: name, task, survey, size, and what was measured."""
    with quietly():
        from lensfinder.zoo.presets import preset_table
    for name, line in preset_table().items():
        size = f"{line['size'] / 1e6:.1f} MB"
        figures = "  ".join(f"{key}={value}" for key, value in line["headline"].items())
        typer.echo(f"{name:32} {line['task']:9} {line['survey']:16} {size:>9}  {figures}".rstrip())


@models.command("show")
def models_show(name: str) -> None:
    """The model card of a preset, by name or folder."""
    with quietly():
        from lensfinder.zoo import open_preset
    typer.echo(open_preset(name).card)


@models.command("verify")
def models_verify(
    names: Annotated[list[str] | None, typer.Argument(help="All of them by default.")] = None,
) -> None:
    """Load presets: every file against its pinned hash, every tensor against the network."""
    with quietly():
        from lensfinder.zoo import open_preset, preset_names
    for name in names or preset_names():
        model = open_preset(name).load()
        typer.echo(f"{name}: {model.count_params():,} parameters, all as pinned")
