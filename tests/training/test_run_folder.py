"""What makes another training of a recipe, and what does not; what a preset is published from."""

from lensfinder.training.card import _views
from lensfinder.training.recipe import load_recipe
from lensfinder.training.run_folder import differences
from lensfinder.training.zoo import symmetric

PRIOR = {"prior": "normal", "mean": 0.0, "sigma": 0.3, "source": "from memory"}


def test_better_words_about_a_number_do_not_make_another_training():
    old = {"paper": "A", "lens": {"scatter": PRIOR}}
    new = {"paper": "B", "lens": {"scatter": {**PRIOR, "source": "table 1"}}}
    assert differences(old, new) == []


def test_numbers_and_sections_called_source_do():
    wider = differences({"scatter": PRIOR}, {"scatter": {**PRIOR, "sigma": 0.4}})
    assert wider == ["scatter.sigma: 0.3 -> 0.4"]
    old, new = ({"source": {"sersic_index": {"mean": mean}}} for mean in (4, 1))
    assert differences(old, new) == ["source.sersic_index.mean: 4 -> 1"]
    assert differences({"source": "a galaxy"}, {"source": {"mean": 1}}) != []
    assert differences({"data": {"sources": None}}, {"data": {"sources": "hubble"}}) != []


def test_views_change_predictions_alone():
    recipe = load_recipe("compact-finder-euclid-vis")
    both = symmetric(recipe)
    assert differences(recipe.model_dump(mode="json"), both.model_dump(mode="json")) == [
        "network.arguments.symmetric: (absent) -> True"
    ]
    assert "quarter turns" in _views(both)
    assert _views(recipe) == ""
