"""The picture of an inversion."""

import numpy as np
import pytest

from lensfinder.inversion import AdaptiveGrid, MassModel, RectangularGrid, annulus, invert
from lensfinder.report import draw_inversion

MASS = MassModel(theta_E=1.0, q=0.7, phi=0.3, gamma1=0.03)


def inverted(mass=MASS, source=None):
    """A round blob behind a lens, without noise in the image."""
    i, j = np.mgrid[:40, :40]
    x, y = MASS.trace((j - 19.5) * 0.1, (i - 19.5) * 0.1)
    image = np.exp(-0.5 * (x**2 + y**2) / 0.15**2)
    mask = annulus(image.shape, pixel_scale=0.1, inner=0.4, outer=1.8)
    source = source or AdaptiveGrid(pixels=150, sub=2)
    return invert(image, 0.05, psf=None, mass=mass, pixel_scale=0.1, mask=mask, source=source)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_an_inversion_becomes_a_picture(ending, tmp_path):
    path = draw_inversion(inverted(), tmp_path / f"inversion.{ending}")
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    assert len(data) > 20_000


def test_a_grid_of_part_of_the_plane_and_any_mass_can_be_drawn(tmp_path):
    class Traced:  # no critical curve is known of it
        def trace(self, x, y):
            return MASS.trace(x, y)

    grid = RectangularGrid(shape=(12, 12), extent=(-0.8, 0.8, -0.8, 0.8), sub=2)
    path = draw_inversion(inverted(Traced(), grid), tmp_path / "inversion.png")
    assert path.stat().st_size > 20_000
