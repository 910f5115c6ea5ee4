"""What the tests of this room share: a small survey, galaxies, sources, and one painter."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `skies`

import skies


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A survey of two bands and 40 pixels."""
    return skies.survey(tmp_path_factory.mktemp("survey"))


@pytest.fixture(scope="session")
def galaxies(small):
    """Six galaxies with redshift and dispersion."""
    from lensfinder.paint import Settings, read_galaxies

    cutouts = [skies.galaxy(k) for k in range(6)]
    return read_galaxies(cutouts, small, Settings(), catalogue=skies.catalogue(6))


@pytest.fixture(scope="session")
def sources(small):
    """Three sources with redshifts."""
    from lensfinder.paint import Settings, read_sources

    cutouts = [skies.source(k) for k in range(3)]
    return read_sources(cutouts, small, Settings(), catalogue=skies.source_catalogue(3))


@pytest.fixture(scope="session")
def painter(small, galaxies, sources):
    """A painter with all planes, compiled once."""
    from lensfinder.paint import Painter

    planes = ("S1", "S3", "LENS", "MU")
    return Painter(small, galaxies, sources, seed=5, planes=planes)
