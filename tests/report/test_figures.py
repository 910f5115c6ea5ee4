"""A preset's figures on the page."""

from lensfinder.report.figures import FINDER, NO_FIGURE, preset_figures

DATA = {"survey": "euclid-vis", "population": "finder-test", "seed": 1, "start": 0, "n": 10_000}


def test_a_finders_figures_with_their_errors():
    finder = {"roc_auc": 0.98765, "tpr_at_fpr_0.001": None, "std": {"roc_auc": 0.0012}}
    assert preset_figures({"data": DATA, "finder": finder}) == [
        ("measured on", "10,000 mocks of finder-test"),
        ("ROC AUC", "0.9877 ± 0.0012"),
        ("completeness at FPR 0.001", NO_FIGURE),
    ]


def test_a_modellers_figures_with_units():
    table = {"theta_E": {"rms": 0.0812, "rms_std": 0.001, "rms_constant": 0.45}, "odd": {"rms": 1}}
    assert preset_figures({"data": DATA, "modeller": {"parameters": table}})[1:] == [
        ("RMS error of theta_E", "0.0812 ± 0.0010″, against 0.45 of a constant answer"),
        ("RMS error of odd", "1.0000"),
    ]


def test_a_cleaners_figures_per_plane():
    planes = {"S2": {"psnr": 77.48, "psnr_given": 68.57}, "S3": {"flux_ratio": None}}
    assert preset_figures({"data": DATA, "cleaner": {"objects": 9, **planes}})[1:] == [
        ("PSNR, denoised", "77.5 dB"),
        ("PSNR of the image given, denoised", "68.6 dB"),
        ("flux over true flux (median), source", NO_FIGURE),
    ]


def test_no_figures_give_no_lines():
    assert preset_figures({}) == []


def test_the_names_are_those_that_the_measurement_gives(rng):
    from lensfinder.training.scores import finder_figures

    label = rng.integers(0, 2, 400)
    found = finder_figures(label, rng.uniform(size=400) * 0.5 + label * 0.3, rng=rng, draws=5)
    assert set(FINDER) <= set(found)
