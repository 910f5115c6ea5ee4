"""Real survey images, where they are: every file is read and assembled, none raises."""

import numpy as np
import pytest

from lensfinder.data import assemble, read_cutouts
from lensfinder.errors import STATUS
from lensfinder.specs import InputContract, load_survey

# folder, layout, band taken for VIS, objects, of these with a status
SETS = (
    ("euclid_q1", "euclid-q1", "VIS", 3, {}),
    ("bdlensing_hst_f140w", "bdlensing", "F140W", 12, {}),
    ("slacs_hst", "slacs-lenstronomy", "F555W", 3, {"edge": 2}),  # 5.1 of 5.7 arcsec
    ("slacs_hst", "slacs-autolens", "F814W", 3, {"nan_pixels": 1}),  # masked companions
    ("slacs_hst", "denzel2021", "F814W", 4, {}),
    ("sl2s_ground", "hsc-scivarpsf", "i", 2, {}),
    ("hsc_cosmos_blends", "hsc-blends", "i", 61, {}),
    ("cowls_jwst", "cowls", "F150W", 6, {}),
)


@pytest.mark.parametrize(("folder", "layout", "band", "count", "flagged"), SETS)
def test_real_lenses_fit_the_contract(shared_data, folder, layout, band, count, flagged):
    if not (shared_data / folder).is_dir():
        pytest.skip(f"no {folder} among the real images")
    survey = load_survey("euclid-vis")
    contract = InputContract.from_survey(survey)
    cutouts = list(read_cutouts(shared_data / folder, layout=layout))
    assert len(cutouts) >= count
    assert all(cutout.status == 0 for cutout in cutouts), [cutout.message for cutout in cutouts]
    batch = assemble(cutouts, contract, resample=True, calibrate=True, band_map={"VIS": band})
    seen = {flag: int((batch.status == STATUS[flag]).sum()) for flag in flagged}
    assert seen == flagged, batch.messages
    assert batch.ok.sum() == len(batch) - sum(flagged.values())
    stamps = batch.images["vis"][batch.ok]
    assert np.isfinite(stamps).all()
    if folder == "hsc_cosmos_blends":
        return  # blends of many galaxies, none of them in the middle
    middle = stamps[:, 19:38, 19:38].mean((1, 2, 3))
    assert (middle > stamps.mean((1, 2, 3))).mean() > 0.9


def test_calibration_does_not_depend_on_resampling(shared_data):
    """Flux of a real lens in its own pixels and in ours, by the same zero point."""
    survey = load_survey("euclid-vis")
    contract = InputContract.from_survey(survey)
    cutout = next(iter(read_cutouts(shared_data / "bdlensing_hst_f140w", layout="bdlensing")))
    batch = assemble([cutout], contract, resample=True, calibrate=True, band_map={"VIS": "F140W"})
    image, scale = cutout.bands["F140W"], cutout.pixel_scales["F140W"]
    # 5.7 arcsec are 71.25 of its pixels: compare with the sum over 71 and 72 of them
    sums = []
    for side in (71, 72):
        top = (len(image) - side) // 2
        sums.append(float(image[top : top + side, top : top + side].sum()))
    factor = 10 ** (0.4 * (survey.band("VIS").zero_point - 26.45))
    total = batch.images["vis"].sum() / factor
    assert min(sums) * 0.99 < total < max(sums) * 1.01
    assert scale == pytest.approx(0.08, rel=1e-9)


def test_the_two_resolution_contract(shared_data):
    contract = InputContract.from_survey(load_survey("euclid-vis-nisp"))
    cutouts = read_cutouts(shared_data / "euclid_q1", layout="euclid-q1")
    batch = assemble(
        cutouts, contract, resample=True, calibrate=True, pad=True, max_bad_fraction=0.02
    )
    assert not batch.status.any(), batch.messages
    assert batch.images["vis"].shape == (3, 200, 200, 1)
    assert batch.images["nisp"].shape == (3, 66, 66, 3)


@pytest.mark.slow
def test_a_survey_tile(shared_data):
    (tile,) = read_cutouts(shared_data / "profound_kids_viking_tile", layout="kids-viking-tile")
    assert tile.status == 0
    assert set(tile.shapes.values()) == {(2600, 2600)}
    assert tile.units["r"] == "maggy"
