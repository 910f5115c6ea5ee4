"""The command line: every verb parses, calls the function of the same name, and says what came out.

Nothing heavy is imported until a verb runs, so that ``lensfinder --help`` is instant. Errors that
the package raises on purpose end as one line on stderr and exit code 2; ``--debug`` shows where
they came from.
"""

import contextlib
import json
import os
import pkgutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from lensfinder import __version__, paths
from lensfinder import _options as options
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


@contextlib.contextmanager
def _quietly():
    """Hold back what TensorFlow's C++ code prints to stderr while it is imported.

    It logs before any setting is read, so the file descriptor itself is turned aside. Should the
    import fail, what was held back is shown.
    """
    paths.quiet_tensorflow()
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


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


# --- mocks ----------------------------------------------------------------------------------------
@app.command()
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
    overwrite: options.Overwrite = False,
) -> None:
    """Write mock lenses and what is mistaken for them, as a survey would see them."""
    with _quietly():
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
                seed=seed, format=format, workers=workers, batch=batch, sources=sources
            ),
        )
    typer.echo(f"{n} objects  {folder}")


# --- images in, tables out ------------------------------------------------------------------------
class _Counter:
    """A running count of images on stderr, for people only; a listener of `find` and `model`."""

    def __enter__(self):
        from rich.console import Console

        self._status, self._done = Console(stderr=True).status("starting"), 0
        return self

    def __exit__(self, *error):
        self._status.stop()

    def start(self, run):
        self._name = run.network.preset.name
        if self._status.console.is_terminal:
            self._status.start()

    def batch(self, first_row, cutouts, answers):
        self._done += len(cutouts)
        self._status.update(f"{self._name}: {self._done:,} images")

    def finish(self, table):
        """The table is complete; the count ends with the ``with`` block."""


def _summary(table, output: Path, report: bool) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in table.meta["counts"].items())
    typer.echo(f"{len(table)} images: {counts or 'none'}")
    if "threshold" in table.meta:
        threshold = table.meta["threshold"]
        found = int((table["p_lens"] >= threshold).sum())  # NaN compares false
        typer.echo(f"{found} candidates with p_lens >= {threshold:g}")
    typer.echo(f"table  {output}")
    if report:
        from lensfinder.predict import page_path

        typer.echo(f"page   {page_path(True, output)}")


@app.command()
def find(
    images: options.Images,
    output: options.Output = Path("candidates.ecsv"),
    preset: options.Preset = None,
    threshold: Annotated[float | None, typer.Option(help="Candidates have at least this.")] = None,
    model: Annotated[bool, typer.Option("--model", help="Also model the candidates.")] = False,
    modeller: Annotated[str | None, typer.Option(help="Preset that models them.")] = None,
    layout: options.Layout = None,
    resample: options.Resample = False,
    calibrate: options.Calibrate = False,
    band_map: options.BandMap = None,
    pad: options.Pad = False,
    max_bad_fraction: options.MaxBad = None,
    assume_pixel_scale: options.AssumeScale = None,
    assume_unit: options.AssumeUnit = None,
    assume_zero_point: options.AssumeZeroPoint = None,
    report: options.Report = True,
    batch_size: options.BatchSize = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Score images for being a strong lens: one row per image, and a page to look at."""
    with _quietly():
        from lensfinder.find import find as run
    with _Counter() as counter:
        table = run(
            images,
            output=output,
            model=modeller or model,
            layout=layout,
            resample=resample,
            fitting=options.fitting(
                calibrate,
                band_map,
                pad,
                max_bad_fraction,
                assume_pixel_scale,
                assume_unit,
                assume_zero_point,
            ),
            report=report,
            overwrite=overwrite,
            watch=[counter],
            **options.given(preset=preset, threshold=threshold, batch_size=batch_size),
        )
    _summary(table, output, report)


@app.command()
def model(
    images: options.Images,
    output: options.Output = Path("parameters.ecsv"),
    preset: options.Preset = None,
    layout: options.Layout = None,
    resample: options.Resample = False,
    calibrate: options.Calibrate = False,
    band_map: options.BandMap = None,
    pad: options.Pad = False,
    max_bad_fraction: options.MaxBad = None,
    assume_pixel_scale: options.AssumeScale = None,
    assume_unit: options.AssumeUnit = None,
    assume_zero_point: options.AssumeZeroPoint = None,
    report: options.Report = True,
    batch_size: options.BatchSize = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Predict the lens parameters of images of lenses: one row per image, and a page."""
    with _quietly():
        from lensfinder.model import model as run
    with _Counter() as counter:
        table = run(
            images,
            output=output,
            layout=layout,
            resample=resample,
            fitting=options.fitting(
                calibrate,
                band_map,
                pad,
                max_bad_fraction,
                assume_pixel_scale,
                assume_unit,
                assume_zero_point,
            ),
            report=report,
            overwrite=overwrite,
            watch=[counter],
            **options.given(preset=preset, batch_size=batch_size),
        )
    _summary(table, output, report)


@app.command()
def example(
    output: options.Output = Path("out"),
    preset: options.Preset = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find and model lenses among real galaxies and labelled mocks, which it writes first."""
    with _quietly():
        from lensfinder.report import example as run
    page = run(output, preset=preset, overwrite=overwrite)
    typer.echo(f"table  {output / 'candidates.ecsv'}")
    typer.echo(f"page   {page.resolve().as_uri()}")


# --- networks -------------------------------------------------------------------------------------
@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a YAML file.")],
    output: options.Output,
    resume: Annotated[bool, typer.Option(help="Go on with a training found there.")] = True,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long; resume later.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="0 none, 1 a thread, more: processes.")
    ] = None,
) -> None:
    """Train a recipe, or go on with a training that was interrupted."""
    with _quietly():
        from lensfinder.training import train as run
    result = run(recipe, output, resume=resume, **options.given(minutes=minutes, workers=workers))
    if result.history:
        from lensfinder.report.history import plot_history

        plot_history(result.history, result.folder / "history.png")
    if result.best_epoch:
        best = result.history[result.best_epoch - 1]
        loss = f", validation loss {best['val_loss']:.5g}" if "val_loss" in best else ""
        typer.echo(f"best epoch {result.best_epoch} of {len(result.history)}{loss}")
    typer.echo(f"{'finished' if result.finished else 'to be resumed'}  {result.folder}")


@app.command()
def evaluate(
    preset: Annotated[str, typer.Argument(help="Name or folder of a preset.")],
    count: Annotated[int | None, typer.Option("-n", "--count", help="Number of mocks.")] = None,
    seed: options.Seed = None,
    population: Annotated[str | None, typer.Option(help="By default the preset's own.")] = None,
    survey: Annotated[str | None, typer.Option(help="By default the preset's own.")] = None,
    output: options.OptionalOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure a preset on fresh mocks, and print the figures as JSON."""
    with _quietly():
        from lensfinder.evaluate import evaluate as run
    given = options.given(n=count, seed=seed, population=population, survey=survey, out=output)
    figures = run(preset, overwrite=overwrite, **given)
    typer.echo(json.dumps(figures, indent=1))


# --- what comes with the package ------------------------------------------------------------------
# Kind of YAML file -> where the names and the loader are.
KINDS = {
    "surveys": "lensfinder.specs:survey_names lensfinder.specs:load_survey",
    "populations": "lensfinder.specs:population_names lensfinder.specs:load_population",
    "recipes": "lensfinder.training:recipe_names lensfinder.training:load_recipe",
}


def _add_kind(kind: str, homes: str) -> None:
    """Give a kind of file its ``list`` and ``show``."""
    one, (names, load) = kind.removesuffix("s"), homes.split()
    group = typer.Typer(no_args_is_help=True, help=f"The {kind} that come with the package.")
    app.add_typer(group, name=kind)

    @group.command("list", help=f"Names of the {kind}, one per line.")
    def show_names() -> None:
        for name in pkgutil.resolve_name(names)():
            typer.echo(name)

    @group.command("show", help=f"One {one}, by name or file, as it is understood.")
    def show_one(name: str) -> None:
        import yaml

        spec = pkgutil.resolve_name(load)(name)
        typer.echo(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False), nl=False)


for _kind, _homes in KINDS.items():
    _add_kind(_kind, _homes)
models = typer.Typer(no_args_is_help=True, help="The pretrained presets.")
app.add_typer(models, name="models")


@models.command("list")
def models_list() -> None:
    """The presets: name, task, survey, size, and what was measured."""
    with _quietly():
        from lensfinder.zoo.presets import preset_table
    for name, line in preset_table().items():
        size = f"{line['size'] / 1e6:.1f} MB"
        figures = "  ".join(f"{key}={value}" for key, value in line["headline"].items())
        typer.echo(f"{name:32} {line['task']:9} {line['survey']:16} {size:>9}  {figures}".rstrip())


@models.command("show")
def models_show(name: str) -> None:
    """The model card of a preset, by name or folder."""
    with _quietly():
        from lensfinder.zoo import open_preset
    typer.echo(open_preset(name).card)


@models.command("verify")
def models_verify(
    names: Annotated[list[str] | None, typer.Argument(help="All of them by default.")] = None,
) -> None:
    """Load presets: every file against its pinned hash, every tensor against the network."""
    with _quietly():
        from lensfinder.zoo import open_preset, preset_names
    for name in names or preset_names():
        model = open_preset(name).load()
        typer.echo(f"{name}: {model.count_params():,} parameters, all as pinned")


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
