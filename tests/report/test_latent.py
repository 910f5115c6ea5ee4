"""Maps of codes: neighbours stay neighbours, and every column has a panel."""

import numpy as np
import pytest

from lensfinder.errors import ArgumentError
from lensfinder.report.latent import latent_map, plot_latent, plot_latent_images


@pytest.fixture(scope="module")
def clusters():
    """Codes of two classes, far apart in ten dimensions."""
    rng = np.random.default_rng(1)
    kind = np.arange(40) % 2
    return rng.normal(size=(40, 10)) + 20 * kind[:, None], kind


@pytest.fixture(scope="module")
def places(clusters):
    return latent_map(clusters[0], seed=3)


def nearest_agree(places, kind):
    """Share of objects whose nearest neighbour is of the same kind."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return np.mean(kind[apart.argmin(axis=1)] == kind)


def test_clusters_stay_apart(clusters, places):
    codes, kind = clusters
    assert places.shape == (40, 2)
    assert (places.min(), places.max()) == (0, 1)
    assert nearest_agree(places, kind) == 1
    shuffled = np.random.default_rng(2).permutation(kind)
    assert nearest_agree(places, shuffled) < 0.9, "the test can fail"
    np.testing.assert_array_equal(places, latent_map(codes, seed=3))


def test_columns_and_images_are_drawn(clusters, places, tmp_path):
    _, kind = clusters
    columns = {
        "class": np.where(kind, "lens", "other"),
        "theta_E": np.linspace(0.5, 3, 40),
        "e1": np.linspace(-1, 1, 40),
        "e2": np.linspace(1, -1, 40),
    }
    drawn = plot_latent(places, columns, tmp_path / "map.png")
    assert drawn.read_bytes().startswith(b"\x89PNG")
    rng = np.random.default_rng(3)
    for bands in (1, 3):
        images = rng.normal(size=(40, 12, 12, bands))
        path = plot_latent_images(places, images, tmp_path / f"images{bands}.png")
        assert path.stat().st_size > 5000
    again = plot_latent(places, columns, tmp_path / "again.png")
    assert again.read_bytes() == drawn.read_bytes()


def test_what_cannot_be_drawn_is_refused(places, tmp_path):
    with pytest.raises(ArgumentError, match="8 or more finite codes"):
        latent_map(np.zeros((5, 10)))
    with pytest.raises(ArgumentError, match="8 or more finite codes"):
        latent_map(np.full((20, 10), np.nan))
    with pytest.raises(ArgumentError, match="a value per place"):
        plot_latent(places, {"e1": np.zeros(3)}, tmp_path / "x.png")
    with pytest.raises(ArgumentError, match="a value per place"):
        plot_latent(places, {}, tmp_path / "x.png")
    with pytest.raises(ArgumentError, match="one image"):
        plot_latent_images(places, np.zeros((3, 8, 8, 1)), tmp_path / "x.png")
    with pytest.raises(ArgumentError, match="pairs of numbers"):
        plot_latent_images(np.zeros((3, 3)), np.zeros((3, 8, 8, 1)), tmp_path / "x.png")
