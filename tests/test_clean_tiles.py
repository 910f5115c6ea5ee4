"""Whole tiles: no seams, no light that was not there, and memory that does not grow with them."""

import tracemalloc

import keras
import numpy as np
import pytest
from astropy.io import fits

from lensfinder import zoo
from lensfinder.clean import clean
from lensfinder.data import Cutout
from lensfinder.errors import ArchitectureError, ArgumentError, OutputExistsError
from lensfinder.predict import Cleaner, Fitting, OwnNetwork
from lensfinder.predict.tiles import TileCleaner
from lensfinder.specs import load_survey
from lensfinder.tables import read_table
from lensfinder.zoo.edsr import resized
from tests import tiny
from tests.test_clean import save
from tests.test_cli_clean import command

HEIGHT, WIDTH = 600, 290  # more than two pieces by more than one


def tile(height=HEIGHT, width=WIDTH, seed=3):
    """A field of blobs on noise, e-/s."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 0.05, (height, width)).astype(np.float32)
    y, x = np.mgrid[-12:13, -12:13]
    for row, column in rng.integers(12, (height - 12, width - 12), (60, 2)):
        blob = rng.lognormal(0, 1) * np.exp(-(x**2 + y**2) / rng.uniform(4, 40))
        image[row - 12 : row + 13, column - 12 : column + 13] += blob.astype(np.float32)
    return image


def cutout(image, **changes):
    found = Cutout("field", {"VIS": image}, {"VIS": 0.1}, {"VIS": "electron/s"})
    found.wcs["VIS"] = {"CRPIX1": 10.5, "CTYPE1": "RA---TAN"}
    for name, value in changes.items():
        getattr(found, name)["VIS"] = value
    return found


def random_network(targets=("S2", "S3")):
    """A cleaner with random weights that changes a little everywhere."""
    keras.utils.set_random_seed(4)
    model = zoo.build("edsr", tiny.contract(), "cleaner", targets=targets, blocks=1, channels=2)
    return OwnNetwork(model, "cleaner", tiny.contract(), targets=targets, name="random")


@pytest.mark.parametrize("modular", [False, True], ids=["one network", "two networks"])
def test_there_are_no_seams(modular, tmp_path):
    image, own = tile(), random_network()
    options = {"preset": own}
    whole = resized(own.keras_model)({"vis": image[None, ..., None]})[0]
    if modular:
        first, second = random_network(("S2",)), random_network(("S3",))
        options = {"preset": second, "denoiser": first}
        s2 = resized(first.keras_model)({"vis": image[None, ..., None]})[:, 0]
        s3 = resized(second.keras_model)({"vis": s2})[:, 0]
        whole = keras.ops.concatenate([s2, s3])
    whole = keras.ops.convert_to_numpy(whole)[..., 0]
    table = clean([cutout(image)], tmp_path, tiles=True, intermediate=True, **options)
    assert list(table["status"]) == ["ok"]
    for folder, wanted in (("denoised", whole[0]), ("", whole[1])):
        with fits.open(tmp_path / folder / table["file"][0]) as units:
            found, header = units["VIS"].data, units["VIS"].header
            assert (header["CRPIX1"], header["PIXSCALE"]) == (10.5, 0.1)
        good = np.isfinite(found)
        assert good.mean() > 0.9
        # float32 convolutions of other shapes add in another order
        np.testing.assert_allclose(found[good], wanted[good], rtol=0, atol=1e-5)
        assert np.abs(found - image)[good].max() > 1e-3, "the network does something"
    assert table["masked"][0] == pytest.approx(1 - good.mean(), abs=1e-6)
    assert table["flux_out_VIS"][0] == pytest.approx(whole[1][good].sum(dtype=float), rel=1e-4)
    assert table["flux_in_VIS"][0] == pytest.approx(image[good].sum(dtype=float), rel=1e-4)


@pytest.fixture(scope="module")
def cleaner(tmp_path_factory):
    """Hands on what it is given."""
    return save(tmp_path_factory.mktemp("tiles"), "cleaner")


def test_pixels_that_cannot_be_trusted_are_left_out(cleaner, tmp_path):
    image = tile()
    image[:, 100:110] = np.nan
    image[300:304, 200:204] = 500.0  # a core cut off at full well
    table = clean([cutout(image)], tmp_path, preset=cleaner, tiles=True)
    with fits.open(tmp_path / table["file"][0]) as units:
        found = units["VIS"].data
    wanted = np.isnan(image) | (image >= 500)
    np.testing.assert_array_equal(np.isnan(found), wanted)
    np.testing.assert_allclose(found[~wanted], image[~wanted], atol=1e-5)
    assert table["masked"][0] == pytest.approx(wanted.mean(), abs=1e-6)
    assert abs(table.meta["flux_conservation"]["flux_out_VIS"] - 1) < 1e-4


def test_invented_light_is_cut_out_of_a_tile(tmp_path):
    inventing = save(tmp_path, "inventing", added=0.3)
    # 0.3 is 6 sigma of a pixel and 40 sigma of the smoothed image; beside blobs it is less
    table = clean([cutout(tile())], tmp_path / "out", preset=inventing, tiles=True)
    assert table["masked"][0] > 0.9


def test_tiles_that_do_not_fit_get_a_reason_and_no_file(cleaner, tmp_path):
    image = tile(60, 50)
    given = [
        cutout(image),
        cutout(image, pixel_scales=0.2),
        cutout(image, units="adu"),
        cutout(np.zeros_like(image)),
        cutout(np.full_like(image, np.nan)),
        Cutout("none", {}, {}, {}),
        Cutout.failed("lost", "x.fits", "unreadable", "no such file"),
    ]
    table = clean(given, tmp_path, preset=cleaner, tiles=True)
    wanted = "ok wrong_pixel_scale wrong_unit constant_image nan_pixels missing_band unreadable"
    assert list(table["status"]) == wanted.split()
    assert [bool(name) for name in table["file"]] == [True] + 6 * [False]
    assert np.isnan(table["flux_out_VIS"][1:]).all()
    assert len(list(tmp_path.glob("*.fits"))) == 1
    assert not list(tmp_path.glob(".*")), "scratch files are gone"


def test_memory_does_not_grow_with_the_tile(cleaner, tmp_path):
    steps, peaks = Cleaner(cleaner), []
    survey = load_survey("euclid-vis")
    for height in (600, 2400):
        run = TileCleaner(
            steps, tmp_path / str(height), survey=survey, fitting=Fitting(), piece=128
        )
        run.folder.mkdir()
        image = tile(height)
        tracemalloc.start()
        assert run(cutout(image)).status == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # pieces of 128 x 128, not tiles of 2,400 x 290; the rest is lists of places
    assert peaks[1] < 1.3 * peaks[0], peaks


def test_tiles_on_the_command_line(cleaner, tmp_path):
    image = tile(300, 280)
    unit = fits.ImageHDU(image, name="VIS")
    unit.header["PIXSCALE"], unit.header["BUNIT"] = 0.1, "electron/s"
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / "field.fits")
    words = ["clean", tmp_path / "field.fits", "-o", tmp_path / "out", "--preset", cleaner]
    done = command(*words, "--tiles")
    assert done.exit_code == 0, done.output
    assert "flux_out_VIS: 1.000 of the flux given" in done.output
    told = read_table(tmp_path / "out" / "cleaned.ecsv")
    with fits.open(tmp_path / "out" / told["file"][0]) as units:
        np.testing.assert_allclose(units["VIS"].data, image, atol=1e-5)
    assert "--tiles" in told.meta["command"]
    done = command(*words, "--tiles", "--resample")
    assert done.exit_code == 2
    assert "Resample them before" in done.stderr


def test_mistakes_are_typed_errors(cleaner, tmp_path):
    with pytest.raises(ArgumentError, match="Resample them before"):
        clean([cutout(tile(60, 50))], tmp_path / "a", preset=cleaner, tiles=True, resample=True)
    image = keras.Input((tiny.STAMP, tiny.STAMP, 1), name="vis")
    shape = (1, tiny.STAMP, tiny.STAMP, 1)
    dense = keras.layers.Dense(tiny.STAMP**2)(keras.layers.Flatten()(image))
    looks_at_all = keras.Model({"vis": image}, keras.layers.Reshape(shape)(dense))
    own = OwnNetwork(looks_at_all, "cleaner", tiny.contract(), targets=("S3",))
    with pytest.raises(ArchitectureError, match="whole image"):
        clean([cutout(tile(60, 50))], tmp_path / "b", preset=own, tiles=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "field.fits").write_text("taken")
    with pytest.raises(OutputExistsError, match="holds files already"):
        clean([cutout(tile(60, 50))], tmp_path / "c", preset=cleaner, tiles=True)
