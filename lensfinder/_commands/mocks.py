"""The verb that makes mocks."""

from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.quiet import quietly


def simulate(
    survey: Annotated[str, typer.Argument(help="Name of a survey, or a YAML file.")],
    population: Annotated[str, typer.Argument(help="Name of a population, or a YAML file.")],
    output: options.Output,
    n: Annotated[int, typer.Option("-n", "--count", help="Number of objects.")],
    seed: options.Seed = None,
    planes: Annotated[str, typer.Option(help="S1 noisy, S2 noiseless, S3 source alone.")] = "S1",
    format: Annotated[str | None, typer.Option(help="tfrecord, fits or npz.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; any number, same mocks.")] = None,
    batch: Annotated[int | None, typer.Option(help="Objects at once; any number.")] = None,
    sources: Annotated[str | None, typer.Option(help="hubble: real galaxies as sources.")] = None,
    subtract_lens_light: Annotated[
        bool, typer.Option("--subtract-lens-light", help="Take the noiseless lens light off.")
    ] = False,
    visits: Annotated[
        int | None, typer.Option(help="Visits that each image is the mean of.")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write mock lenses and what is mistaken for them, as a survey would see them."""
    with quietly():
        from lensfinder.simulate import simulate as run
    with options.bar(n) as advance:
        folder = run(
            survey,
            population,
            n=n,
            output=output,
            planes=tuple(planes.split(",")),
            subtract_lens_light=subtract_lens_light,
            overwrite=overwrite,
            progress=advance,
            **options.given(
                **{"seed": seed, "format": format, "workers": workers, "batch": batch},
                **{"sources": sources, "visits": visits},
            ),
        )
    typer.echo(f"{n} objects  {folder}")
