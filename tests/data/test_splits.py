"""Splits and folds are functions of the id."""

import numpy as np
import pytest

from lensfinder.data.splits import fold_of, select, split_of
from lensfinder.errors import DatasetSpecError, UnknownNameError

IDS = [f"object-{number}" for number in range(20_000)]
PINNED_SPLITS = [
    "train",
    "validation",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "validation",
    "train",
]
PINNED_FOLDS = [1, 2, 1, 3, 1, 2, 0, 3, 4, 1, 0, 4]


def test_shares_are_as_asked():
    names, counts = np.unique(split_of(IDS), return_counts=True)
    share = dict(zip(names, counts / len(IDS)))
    for name, expected in {"train": 0.8, "validation": 0.1, "test": 0.1}.items():
        sigma = np.sqrt(expected * (1 - expected) / len(IDS))
        assert abs(share[name] - expected) < 5 * sigma
        assert abs(share[name] - 1.1 * expected) > 3 * sigma  # the test can see 10 %


def test_growing_or_shuffling_moves_nothing(rng):
    order = rng.permutation(len(IDS))[:500]
    assert (split_of([IDS[k] for k in order]) == split_of(IDS)[order]).all()


def test_pinned_values():
    """Changing these would move objects between the splits of every data set ever written."""
    assert split_of(IDS[:12]).tolist() == PINNED_SPLITS
    assert fold_of(IDS[:12], 5).tolist() == PINNED_FOLDS


def test_test_does_not_depend_on_the_validation_share():
    other = split_of(IDS, (0.6, 0.3, 0.1))
    assert ((other == "test") == (split_of(IDS) == "test")).all()


def test_folds_cover_everything_but_test_once():
    test = select(IDS, split="test")
    held = [select(IDS, split="validation", fold=k, folds=4) for k in range(4)]
    assert (np.sum(held, axis=0) == ~test).all()
    for k, mask in enumerate(held):
        train = select(IDS, split="train", fold=k, folds=4)
        assert (train ^ mask ^ test).all()
        assert not (train & mask).any()
    assert (select(IDS, split="test", fold=0, folds=4) == test).all()
    assert select(IDS).all()


def test_all_folds_together_are_everything_but_test():
    test = select(IDS, split="test")
    assert (select(IDS, split="train", fold="all", folds=4) == ~test).all()
    assert not select(IDS, split="validation", fold="all", folds=4).any()
    assert (select(IDS, split="test", fold="all", folds=4) == test).all()


def test_folds_do_not_follow_splits():
    """The two hashes are independent: each fold has its share of training objects."""
    folds, train = fold_of(IDS, 4), split_of(IDS) == "train"
    for k in range(4):
        share = train[folds == k].mean()
        assert abs(share - 0.8) < 5 * np.sqrt(0.16 / (len(IDS) / 4))


@pytest.mark.parametrize(
    "wrong",
    [
        {"split": "train", "fold": 0},
        {"split": "train", "folds": 3},
        {"fold": 0, "folds": 3},
        {"split": "train", "fold": 3, "folds": 3},
        {"split": "validation", "fold": 0, "folds": 1},
    ],
)
def test_impossible_choices(wrong):
    with pytest.raises(DatasetSpecError):
        select(IDS[:5], **wrong)


def test_unknown_split_and_fractions():
    with pytest.raises(UnknownNameError, match="validation"):
        select(IDS[:5], split="dev")
    with pytest.raises(DatasetSpecError, match="sum to 1"):
        split_of(IDS[:5], (0.5, 0.2, 0.2))
