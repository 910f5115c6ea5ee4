"""What the tests of this room share: simulators, built once per process, and the oracle."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `oracle` and `scenes`


@pytest.fixture(scope="session")
def maresca():
    """The quickest simulator there is, with all planes."""
    from lensfinder.simulate import Simulator

    return Simulator("euclid-vis", "maresca2021", seed=1, planes=("S1", "S2", "S3"))


@pytest.fixture(scope="session")
def pearson():
    """Lenses with light and all of Pearson's criteria, with all planes."""
    from lensfinder.simulate import Simulator

    return Simulator("euclid-vis", "pearson2019-test", seed=1, planes=("S1", "S2", "S3"))


@pytest.fixture(scope="session")
def finder():
    """Lenses and three kinds of non-lenses, with neighbours and all planes."""
    from lensfinder.simulate import Simulator

    return Simulator("euclid-vis", "finder-train", seed=1, planes=("S1", "S2", "S3"))
