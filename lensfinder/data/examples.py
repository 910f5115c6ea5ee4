"""The example images of the main job: real galaxies, and mocks that say that they are."""

from pathlib import Path

from lensfinder.data.hubble import hubble_galaxies
from lensfinder.data.writer import write_cutouts
from lensfinder.errors import DatasetSpecError, OutputExistsError
from lensfinder.specs import load_survey

REAL = "real galaxy, Hubble Deep Field picture, uncalibrated"
MOCK = "mock, simulated by lensfinder"


def example_set(
    folder,
    *,
    survey="euclid-vis",
    galaxies=40,
    mock_ids=(),
    mock_images=None,
    seed=1,
    overwrite=False,
) -> list[Path]:
    """Write example cutouts: Hubble galaxies (``hdf-...``) and mocks (``mock-...``).

    The keyword ``KIND`` of each primary header says which it is; `read_cutouts` keeps it in
    ``Cutout.meta["kind"]``.

    Parameters
    ----------
    folder : path-like
        Where to write, one FITS file per object.
    survey : Survey or str
        What survey they are made for.
    galaxies : int
        Number of real galaxies, brightest first; 0 for none.
    mock_ids : sequence of str
        Names of the mocks; ``mock-`` is put before a name that does not start with it.
    mock_images : dict of str to array (N, stamp, stamp, bands), optional
        Images of the mocks, electron/s, one array per group.
    seed : int
        Seed of the noise of the real galaxies.
    overwrite : bool
        Whether files that exist may be replaced.

    Returns
    -------
    list of Path
        The files, galaxies first.

    Raises
    ------
    OutputExistsError
        If one of the files exists, before any is written.
    DatasetSpecError
        If mock ids and images do not go together, or there is nothing to write.
    """
    folder, survey = Path(folder), load_survey(survey)
    if bool(mock_ids) != (mock_images is not None):
        raise DatasetSpecError("Give mock_ids and mock_images together.")
    if not galaxies and not mock_ids:
        raise DatasetSpecError("There is nothing to write: no galaxies and no mocks.")
    if not overwrite and any(folder.glob("*.fits")):
        raise OutputExistsError(
            f"{folder} holds FITS files already. Choose another folder, or pass overwrite=True.",
            path=str(folder),
        )
    paths = []
    if galaxies:
        ids, images, _ = hubble_galaxies().cutouts(survey, count=galaxies, seed=seed)
        paths += write_cutouts(
            folder, ids, images, survey, header={"KIND": REAL}, overwrite=overwrite
        )
    if mock_ids:
        ids = [name if name.startswith("mock-") else f"mock-{name}" for name in mock_ids]
        paths += write_cutouts(
            folder, ids, mock_images, survey, header={"KIND": MOCK}, overwrite=overwrite
        )
    return paths
