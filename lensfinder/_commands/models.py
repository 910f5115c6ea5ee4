"""``lensfinder models``: the pretrained presets."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly

models = typer.Typer(no_args_is_help=True, help="The pretrained presets.")
_Names = Annotated[list[str] | None, typer.Argument(help="All of them by default.")]


@models.command("list")
def models_list() -> None:
    """The presets: name, task, survey, size, where it is, and what was measured."""
    with quietly():
        from lensfinder.zoo.presets import preset_table
    for name, line in preset_table().items():
        size = f"{line['size'] / 1e6:.1f} MB"
        figures = "  ".join(f"{key}={value}" for key, value in line["headline"].items())
        about = f"{name:32} {line['task']:9} {line['survey']:16} {size:>9}"
        typer.echo(f"{about}  {line['state']:8}  {figures}".rstrip())


@models.command("show")
def models_show(name: str) -> None:
    """The model card of a preset, by name or folder."""
    with quietly():
        from lensfinder.zoo import open_preset
    typer.echo(open_preset(name).card)


@models.command("fetch")
def models_fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Presets; imagenet/b0 to imagenet/b7 for a network's start."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All presets of the list.")] = False,
) -> None:
    """Bring presets into the cache, so that they work offline; see LENSFINDER_MODELS_URL."""
    if bool(names) == everything:
        raise typer.BadParameter("Name presets, or give --all.")
    with quietly():
        from lensfinder.zoo import fetch_preset, imagenet_file
        from lensfinder.zoo.presets import preset_table
    table = preset_table()
    for name in names or table:
        start = name.removeprefix("imagenet/")
        with options.bar(table[name]["size"] if name in table else None) as advance:
            place = (
                fetch_preset(name, progress=advance)
                if start == name
                else imagenet_file(start.upper(), progress=advance)
            )
        typer.echo(f"{name:32} {place}")


@models.command("verify")
def models_verify(names: _Names = None) -> None:
    """Load presets: every file against its pinned hash, every tensor against the network."""
    with quietly():
        from lensfinder.zoo import open_preset
        from lensfinder.zoo.presets import preset_table
    states = {name: line["state"] for name, line in preset_table().items()}
    for name in names or states:
        if not names and states[name] == "to fetch":
            typer.echo(f"{name}: not on this machine")
            continue
        model = open_preset(name).load()
        typer.echo(f"{name}: {model.count_params():,} parameters, all as pinned")


@models.command("mirror")
def models_mirror(
    folder: Annotated[Path, typer.Argument(help="What a web server of yours offers.")],
    names: _Names = None,
) -> None:
    """Write a folder of presets for a team: LENSFINDER_MODELS_URL is where it is served."""
    with quietly():
        from lensfinder.zoo import mirror_presets
    files = mirror_presets(folder, names)
    typer.echo(f"{len(files)} files  {folder}")
