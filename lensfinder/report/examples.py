"""The example of `make find`: real galaxies and labelled mocks, found, modelled and shown."""

from pathlib import Path

import numpy as np

from lensfinder.data import example_set, write_cutouts
from lensfinder.errors import SimulationError
from lensfinder.find import find
from lensfinder.report.truth import truth_cards
from lensfinder.simulate import Simulator
from lensfinder.specs import load_population, load_survey
from lensfinder.tables import refuse_existing

SURVEY, POPULATION = "euclid-vis", "finder-test"
SEED = 20_261  # not a seed that a network was trained or tested with
GALAXIES, MOCKS = 40, 24  # real ones; mocks of each label
SHOWN = ("theta_E", "q", "phi", "e1", "e2", "x_lens", "y_lens", "gamma1", "gamma2")


def write_example(
    folder,
    *,
    survey=SURVEY,
    population=POPULATION,
    galaxies=GALAXIES,
    mocks=MOCKS,
    seed=SEED,
    overwrite=False,
) -> Path:
    """Write the example images: galaxies of the Hubble Deep Field, mock lenses and mock non-lenses.

    Every mock says so: its name begins with ``mock-lens`` or ``mock-nonlens``, and its header holds
    ``KIND`` and the true parameters.

    Parameters
    ----------
    folder : path-like
        Where to write; made if needed.
    survey, population : str
        What the mocks look like.
    galaxies : int
        How many real ones.
    mocks : int
        How many of each label.
    seed : int
        Seed of the simulator.
    overwrite : bool
        Whether files that exist may be replaced.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    OutputExistsError
        If a file exists already.
    SimulationError
        If the population does not hold both lenses and non-lenses.
    """
    folder = Path(folder)
    survey = load_survey(survey)
    example_set(folder, survey=survey, galaxies=galaxies, overwrite=overwrite)
    simulator = Simulator(survey, load_population(population), seed=seed)
    written = {1: 0, 0: 0}
    for start in range(0, 40 * mocks, 2 * mocks):  # rare labels may need several helpings
        drawn = simulator.objects(np.arange(start, start + 2 * mocks))
        for i, row in enumerate(drawn.truth):
            label = int(row["label"])
            if written[label] < mocks:
                _write_mock(folder, written[label], label, row, i, drawn.images, survey, overwrite)
                written[label] += 1
        if min(written.values()) == mocks:
            return folder
    raise SimulationError(
        f"Population {population!r} gave {written[1]} lenses and {written[0]} non-lenses. "
        "Choose one that holds both."
    )


def _write_mock(folder, number, label, row, i, images, survey, overwrite):
    kind = "mock-lens" if label else "mock-nonlens"
    write_cutouts(
        folder,
        [f"{kind}-{number + 1:03d}"],
        {group: stack[i : i + 1] for group, stack in images.items()},
        survey,
        header={"KIND": kind, **(truth_cards(row, SHOWN) if label else {})},
        overwrite=overwrite,
    )


def example(folder, *, preset=None, model=True, overwrite=False, **options) -> Path:
    """Write the example images, find and model the lenses among them, and make the page.

    Parameters
    ----------
    folder : path-like
        Gets ``images/``, ``candidates.ecsv`` and ``report.html``.
    preset : str, path or None
        The finder; the default one for None.
    model : bool, str or path
        As in `lensfinder.find`.
    overwrite : bool
        Whether files that exist may be replaced.
    **options : dict
        Further options of `write_example`.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    OutputExistsError
        If a file exists already.
    """
    folder = Path(folder)
    page = folder / "report.html"
    refuse_existing(page, overwrite)
    images = write_example(folder / "images", overwrite=overwrite, **options)
    find(
        images,
        **({} if preset is None else {"preset": preset}),
        model=model,
        output=folder / "candidates.ecsv",
        report=page,
        overwrite=overwrite,
    )
    return page
