"""Training on a folder of shards: TensorFlow's input pipeline, where TensorFlow is at hand."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensfinder.errors import DatasetSpecError
from lensfinder.training.cleaning import patches
from lensfinder.training.sources import Batch, choose


@dataclass(frozen=True)
class ShardSource:
    """The training split of a folder of shards, shuffled anew each epoch by (shuffle_seed, epoch).

    Attributes
    ----------
    folder : str
        What `lensfinder.data.write_shards` wrote.
    targets : tuple of str
        Truth columns to train on.
    batch_size : int
        Size of a batch; the last, smaller batch of an epoch is dropped.
    shuffle_seed : int
        Seed of the order.
    groups : dict of str to sequence of int, tuple of str or None
        Groups to keep, and which of their channels (`choose`); all by default.
    fold : int, "all" or None
        Cross-validation: train on all folds but this one, or on all of them.
    folds : int or None
        The number of folds.
    split_by : str
        Truth column whose values are split.
    planes : bool
        Whether `targets` are stored planes, of a cleaner, and no truth columns.
    """

    folder: str
    targets: tuple[str, ...]
    batch_size: int
    shuffle_seed: int
    groups: dict[str, tuple[int, ...]] | tuple[str, ...] | None = None
    fold: int | str | None = None
    folds: int | None = None
    split_by: str = "id"
    planes: bool = False

    def fingerprint(self) -> dict:
        """What must be the same for an interrupted training to be continued.

        Returns
        -------
        dict
            Hash of the manifest, which holds the hash of every shard.
        """
        from lensfinder.data import read_manifest

        text = read_manifest(self.folder).model_dump_json()
        return {"manifest_sha256": hashlib.sha256(text.encode()).hexdigest()}

    def batches(self, epoch, first, last):
        """Batches by position.

        Parameters
        ----------
        epoch, first, last : int
            Batches `first` to `last` (excluded) of an epoch, all counted from 0.

        Yields
        ------
        Batch
            In order.
        """
        from lensfinder.data import dataset

        batches = dataset(
            self.folder,
            **asked(self.targets, self.planes),
            batch_size=self.batch_size,
            split="train",
            fold=self.fold,
            folds=self.folds,
            split_by=self.split_by,
            shuffle_seed=self.shuffle_seed,
            epoch=epoch,
            drop_remainder=True,
            with_ids=True,
        )
        done = first
        for images, y, ids in batches.skip(first).take(last - first).as_numpy_iterator():
            done += 1
            yield _batch(images, y, ids, self.groups, planes=self.planes)
        if done < last:
            raise _too_few(self.folder, done, self.batch_size, last)


def _too_few(folder, batches, batch_size, steps):
    return DatasetSpecError(
        f"The training split of {Path(folder)} ends after {batches} batches of {batch_size}. "
        f"Received: steps_per_epoch={steps}. Lower it in the recipe."
    )


def source_of(recipe, data, batch_size: int) -> ShardSource:
    """The source of a recipe's shards.

    Parameters
    ----------
    recipe : Recipe
        What is trained; a cleaner is given planes as truth.
    data : Shards
        Which shards, and how they are split.
    batch_size : int
        Objects per batch.

    Returns
    -------
    ShardSource
        Their training split.

    Raises
    ------
    DatasetSpecError
        If it is smaller than an epoch.
    """
    whole = training_rows(data.model_dump()) // batch_size
    if whole < recipe.steps_per_epoch:
        raise _too_few(data.folder, whole, batch_size, recipe.steps_per_epoch)
    return ShardSource(
        folder=data.folder,
        targets=recipe.truth_columns,
        groups=recipe.contract().channels(held_bands(data.folder)),
        batch_size=batch_size,
        shuffle_seed=data.shuffle_seed,
        fold=data.fold,
        folds=data.folds,
        split_by=data.split_by,
        planes=recipe.cleaning is not None,
    )


def training_rows(data) -> int:
    """How many different objects a training on shards sees, if it lasts a whole pass of them.

    Parameters
    ----------
    data : dict
        Which shards, and how they are split: `Shards` as plain data.

    Returns
    -------
    int
        Objects of the training split.

    Raises
    ------
    UnknownNameError, DatasetSpecError
        If the truth has no such column to split by.
    """
    from lensfinder.data.manifest import read_truth
    from lensfinder.data.splits import select, split_names

    names = split_names(read_truth(data["folder"]), data.get("split_by", "id"))
    part = {name: data.get(name) for name in ("fold", "folds")}
    return int(select(names, split="train", **part).sum())


def shard_objects(recipe, split: str) -> Batch:
    """One split of a recipe's shards, all in memory.

    Parameters
    ----------
    recipe : Recipe
        A recipe whose data are shards.
    split : {"validation", "test"}
        Which part.

    Returns
    -------
    Batch
        All of its objects; the middles, where a cleaner is trained on pieces.
    """
    from lensfinder.data import load_arrays

    data, planes = recipe.data, recipe.cleaning is not None
    images, y, ids = load_arrays(
        data.folder,
        **asked(recipe.truth_columns, planes),
        split=split,
        fold=data.fold,
        folds=data.folds,
        split_by=data.split_by,
    )
    channels = recipe.contract().channels(held_bands(data.folder))
    batch = _batch(images, y, ids, channels, planes=planes)
    if not planes or recipe.cleaning.patch is None:
        return batch
    middle, truth = patches(batch.images, batch.y, recipe.cleaning.patch)
    return Batch(middle, truth, batch.ids)


def asked(targets, planes: bool) -> dict:
    """Options of `lensfinder.data.dataset` for truth columns, or for planes as truth.

    Parameters
    ----------
    targets : sequence of str
        Their names.
    planes : bool
        Which of the two they are.

    Returns
    -------
    dict
        ``targets`` and ``planes``.
    """
    return {"targets": (), "planes": targets} if planes else {"targets": targets}


def refuse_cleaned(recipe) -> None:
    """Refuse to judge by noisy mocks a network that is trained on what a cleaner leaves of them.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Raises
    ------
    DatasetSpecError
        If shards of it were cleaned (`lensfinder.predict.cleaned_shards`), and the mocks that it is
        validated or tested on would not be sources alone.
    """
    from lensfinder.data import read_manifest

    if recipe.plane == "S3" or (recipe.validation is None and recipe.test is None):
        return
    parts = recipe.data.parts if recipe.data.kind == "mixture" else [recipe]
    for data in (part.data for part in parts if part.data.kind == "shards"):
        cleaner = read_manifest(data.folder).drawn.get("cleaner")
        if cleaner:
            raise DatasetSpecError(
                f"{data.folder} holds what {cleaner} leaves of mocks; the mocks of `validation` "
                "and `test` would be noisy ones. Mix it with fresh mocks of true sources (`plane: "
                "S3`), which they then show, or leave both out and measure with `evaluate`."
            )


def held_bands(folder) -> dict[str, tuple[str, ...]]:
    """Bands per group of a folder of shards, in channel order.

    Parameters
    ----------
    folder : path-like
        The folder.

    Returns
    -------
    dict of str to tuple of str
        As `InputContract.channels` takes them.
    """
    from lensfinder.data import read_manifest

    return {name: group.bands for name, group in read_manifest(folder).groups.items()}


def _batch(images, y, ids, groups, *, planes=False) -> Batch:
    names = tuple(i.decode() if isinstance(i, bytes) else str(i) for i in np.asarray(ids).tolist())
    if planes and groups is not None:  # the same bands of the truth; there is one group
        y = next(iter(choose(dict.fromkeys(images, y), groups).values()))
    return Batch(choose(images, groups), y, names)
