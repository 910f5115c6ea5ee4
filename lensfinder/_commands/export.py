"""The verb that hands lenses over to other codes."""

from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.delays import (
    Cosmology,
    Draws,
    Posterior,
    Sigma,
    Table,
    ZLens,
    ZSrc,
    say_exact,
)


def export(
    table: Table,
    output: options.Output,
    to: Annotated[str, typer.Option(help="coolest, lenstronomy or pyautolens.")],
    z_lens: ZLens = None,
    z_src: ZSrc = None,
    cosmology: Cosmology = None,
    posterior: Posterior = None,
    sigma: Sigma = None,
    draws: Draws = None,
    seed: options.Seed = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write lens parameters as COOLEST, lenstronomy or PyAutoLens have them."""
    from lensfinder.export import export as run

    result = run(
        table,
        to=to,
        output=output,
        z_lens=z_lens,
        z_src=z_src,
        overwrite=overwrite,
        **options.given(
            cosmology=cosmology,
            posterior=posterior,
            sigma=options.numbers(sigma),
            draws=draws,
            seed=seed,
        ),
    )
    for row in result[result["status"] != "ok"]:
        typer.echo(f"{row['id']}: not written ({row['status']}): {row['message']}", err=True)
    written = result[result["status"] == "ok"]
    typer.echo(f"{len(written)} of {len(result)} lenses for {to}")
    say_exact(result)
    for path in list(dict.fromkeys(written["message"]))[:10]:
        typer.echo(f"file   {path}")
