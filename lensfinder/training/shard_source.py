"""Training on a folder of shards: TensorFlow's input pipeline, where TensorFlow is at hand."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensfinder.errors import DatasetSpecError
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
    """

    folder: str
    targets: tuple[str, ...]
    batch_size: int
    shuffle_seed: int
    groups: dict[str, tuple[int, ...]] | tuple[str, ...] | None = None
    fold: int | str | None = None
    folds: int | None = None
    split_by: str = "id"

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
            targets=self.targets,
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
            yield _batch(images, y, ids, self.groups)
        if done < last:
            raise DatasetSpecError(
                f"The training split of {Path(self.folder)} ends after {done} batches of "
                f"{self.batch_size}. Received: steps_per_epoch={last}. Lower it in the recipe."
            )


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
        All of its objects.
    """
    from lensfinder.data import load_arrays

    data = recipe.data
    images, y, ids = load_arrays(
        data.folder,
        targets=recipe.truth_columns,
        split=split,
        fold=data.fold,
        folds=data.folds,
        split_by=data.split_by,
    )
    return _batch(images, y, ids, recipe.contract().channels(held_bands(data.folder)))


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


def _batch(images, y, ids, groups) -> Batch:
    names = tuple(i.decode() if isinstance(i, bytes) else str(i) for i in np.asarray(ids).tolist())
    return Batch(choose(images, groups), y, names)
