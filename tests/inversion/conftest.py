"""Lenses that the tests of this room share, made once: what is read is never changed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from systems import a_lens


@pytest.fixture(scope="session")
def lens():
    """A noisy lens of 60 x 60 pixels with the mask and mass it was made with."""
    return a_lens()
