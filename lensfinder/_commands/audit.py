"""The verb that asks whether a reconstructed source is the true one, and fits again if not."""

from pathlib import Path
from typing import Annotated

import typer

from lensfinder._commands import options
from lensfinder._commands.counter import AuditCounter
from lensfinder._commands.quiet import quietly

Classifier = Annotated[
    str | None, typer.Option(help="Preset or folder; `parity`: without a network.")
]
Relation = Annotated[
    str | None, typer.Option(help="Of unphysical solutions: lensfinder or maresca2021.")
]


@options.block("terms", options.mass_fit)
def audit(
    images: Annotated[
        list[str] | None, typer.Argument(help="FITS, HDF5 or npz files of lenses, folders.")
    ] = None,
    output: options.Output = Path("audit.ecsv"),
    classifier: Classifier = None,
    relation: Relation = None,
    rounds: Annotated[int | None, typer.Option(help="Most refits after the first fit.")] = None,
    terms=None,
    source: Annotated[
        Path | None, typer.Option(help="A source made elsewhere, FITS; with --residual.")
    ] = None,
    residual: Annotated[Path | None, typer.Option(help="Its residual, FITS.")] = None,
    noise: Annotated[
        str | None, typer.Option(help="Of the residual: FITS map, number; 1 if normalised.")
    ] = None,
    source_scale: Annotated[float | None, typer.Option(help="Arcsec/pixel of --source.")] = None,
    pixel_scale: Annotated[float | None, typer.Option(help="Arcsec/pixel of --residual.")] = None,
    image: Annotated[
        Path | None, typer.Option(help="Observed image without lens light, FITS, for the parity.")
    ] = None,
    theta_e: Annotated[
        float | None, typer.Option("--theta-E", help="Its Einstein radius, arcsec.")
    ] = None,
    pyautolens: Annotated[Path | None, typer.Option(help="Result folder of PyAutoLens.")] = None,
    coolest: Annotated[Path | None, typer.Option(help="COOLEST template; with --residual.")] = None,
    report: options.Report = True,
    overwrite: options.Overwrite = False,
) -> None:
    """Fit lenses, tell unphysical sources from true ones, and fit again; or judge others' fits."""
    where, model, reading = terms
    scale = reading.pop("assume_pixel_scale", None)
    shared = options.given(classifier=classifier, relation=relation)
    elsewhere = [name for name in (source, pyautolens, coolest) if name is not None]
    if len(elsewhere) + bool(images) != 1:
        raise typer.BadParameter("Give IMAGES, or one of --source, --pyautolens, --coolest.")
    if elsewhere:
        with quietly():
            from lensfinder.audit import audit_given
        found = _reconstruction(
            source, residual, noise, source_scale, pixel_scale, theta_e, pyautolens, coolest, image
        )
        table = audit_given([found], output=output, report=report, overwrite=overwrite, **shared)
    else:
        with quietly():
            from lensfinder.audit import Reading
            from lensfinder.audit import audit as run
        with AuditCounter() as counter:
            table = run(
                images,
                output=output,
                reading=Reading(**reading, **options.given(pixel_scale=scale)),
                fitting=model,
                report=report,
                overwrite=overwrite,
                watch=[counter],
                **shared,
                **where,
                **options.given(rounds=rounds),
            )
    _say(table, output, report)


def _reconstruction(
    source, residual, noise, source_scale, pixel_scale, theta_E, pyautolens, coolest, image
):
    from lensfinder import audit

    if pyautolens is not None:
        return audit.read_pyautolens(pyautolens, pixel_scale=pixel_scale, image=image)
    if residual is None:
        raise typer.BadParameter("A verdict needs the residual too: give --residual.")
    if coolest is not None:
        return audit.read_coolest(coolest, residual=residual, noise=noise, image=image)
    return audit.read_images(
        source,
        residual,
        noise=noise,
        source_scale=source_scale,
        pixel_scale=pixel_scale,
        theta_E=theta_E,
        image=image,
    )


def _say(table, output, report) -> None:
    for row in table[:20]:
        chances = ", ".join(
            f"{kind} {row[f'p_{kind}']:.2f}" for kind in ("under", "correct", "over")
        )
        restart = ""
        if row["action"] in ("refit", "refine"):
            restart = (
                f"; next: theta_E {row['restart_low']:.2f} to {row['restart_high']:.2f} arcsec"
            )
        typer.echo(f"{row['id']}: {row['verdict'] or row['status']} ({chances}){restart}")
    counts = ", ".join(f"{count} {name}" for name, count in table.meta["counts"].items())
    typer.echo(
        f"{len(table)} lenses: {counts or 'none'}; {table.meta['needs_a_person']} for a person"
    )
    typer.echo(f"table  {output}")
    if report:
        typer.echo(f"page   {output.with_suffix('.report.html')}")
