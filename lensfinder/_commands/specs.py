"""Lists of the YAML files that come with the package."""

import pkgutil

import typer

# Kind of YAML file -> where the names and the loader are.
KINDS = {
    "surveys": "lensfinder.specs:survey_names lensfinder.specs:load_survey",
    "populations": "lensfinder.specs:population_names lensfinder.specs:load_population",
    "recipes": "lensfinder.training:recipe_names lensfinder.training:load_recipe",
}


def kind_group(kind: str) -> typer.Typer:
    """``list`` and ``show`` of a kind of file."""
    one, (names, load) = kind.removesuffix("s"), KINDS[kind].split()
    group = typer.Typer(no_args_is_help=True, help=f"The {kind} that come with the package.")

    @group.command("list", help=f"Names of the {kind}, one per line.")
    def show_names() -> None:
        for name in pkgutil.resolve_name(names)():
            typer.echo(name)

    @group.command("show", help=f"One {one}, by name or file, as it is understood.")
    def show_one(name: str) -> None:
        import yaml

        spec = pkgutil.resolve_name(load)(name)
        typer.echo(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False), nl=False)

    return group
