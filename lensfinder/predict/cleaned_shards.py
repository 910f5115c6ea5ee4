"""Data sets of what a cleaner makes of mocks, to train the networks that come after it."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from lensfinder.data import CutoutBatch, ShardWriter, dataset
from lensfinder.data.manifest import read_truth, verify_shards
from lensfinder.errors import STATUS, DatasetSpecError
from lensfinder.predict.cleaner import Cleaner
from lensfinder.predict.network import BATCH_SIZE
from lensfinder.specs import Survey


def clean_shards(
    folder,
    output,
    *,
    preset=None,
    denoiser=None,
    batch_size: int = BATCH_SIZE,
    overwrite: bool = False,
    progress=None,
) -> dict[str, int]:
    """Clean every image of a data set, and write the sources with the truth as a data set.

    A network that follows a cleaner is better trained on what that leaves than on true sources.
    Objects keep their ids, and with them their split; those that the cleaner gives no image of are
    left out, and counted.

    Parameters
    ----------
    folder : path
        A folder of shards of noisy mocks.
    output : path
        Folder of the cleaned ones.
    preset, denoiser : str, path, OwnNetwork or None
        As of `lensfinder.clean`.
    batch_size : int
        Objects per step; the images do not depend on it.
    overwrite : bool
        Whether a data set that lies there may be replaced.
    progress : callable or None
        Called with the number of objects done since the last call.

    Returns
    -------
    dict of str to int
        Objects per status.

    Raises
    ------
    OutputExistsError
        If the folder holds a data set; before anything is computed.
    ShardError
        If there is no data set in `folder`, or it is damaged.
    DatasetSpecError
        If its images are not what the cleaner takes, it is to be written into itself, or the
        cleaner gives no image of any of them.
    PresetError, UnknownNameError, UntrustedArtefactError
        As for `lensfinder.predict.Cleaner`.
    """
    if Path(folder).resolve() == Path(output).resolve():
        raise DatasetSpecError(f"{folder} would be overwritten by itself. Choose another folder.")
    manifest = verify_shards(folder)  # before anything that lies in `output` is taken away
    cleaner = Cleaner(preset, denoiser=denoiser, batch_size=batch_size)
    held = {
        name: (group.shape, group.bands, group.pixel_scale)
        for name, group in manifest.groups.items()
    }
    wanted = {
        group.name: (cleaner.contract.shapes[group.name], tuple(group.bands), group.pixel_scale)
        for group in cleaner.contract.groups
    }
    if held != wanted or manifest.unit != cleaner.contract.unit:
        raise DatasetSpecError(
            f"The cleaner takes {wanted} in {cleaner.contract.unit}. {folder} holds {held} in "
            f"{manifest.unit}. Write mocks of {cleaner.contract.survey}, or give another cleaner."
        )
    ((group, _),) = held.items()
    truth, counts, first = read_truth(folder, manifest), Counter(), 0
    with ShardWriter(
        output,
        survey=Survey.model_validate(manifest.survey),
        population=manifest.population,
        seed=manifest.seed,
        dtype=manifest.dtype,
        overwrite=overwrite,
        drawn={**manifest.drawn, "cleaner": str(cleaner.network.preset.name)},
    ) as writer:
        batches = dataset(folder, targets=(), batch_size=cleaner.network.batch_size)
        for images, _ in batches.as_numpy_iterator():
            answers = cleaner.answers(_whole(images[group], group))
            rows = truth[first : first + len(answers.status)]
            good = answers.status == 0
            counts.update(STATUS.decode(bits) for bits in answers.status)
            if good.any():
                sources = {group: np.ascontiguousarray(answers.values[good, -1])}
                writer.add(SimpleNamespace(images=sources, truth=rows[good], planes={}))
            first += len(rows)
            if progress is not None:
                progress(len(rows))
        if not counts["ok"]:
            raise DatasetSpecError(f"The cleaner gives no image of any mock of {folder}: {counts}.")
    return dict(counts)


def _whole(images, group) -> CutoutBatch:
    """A batch as it is assembled from cutouts that fit."""
    count = len(images)
    return CutoutBatch(
        ids=[""] * count, images={group: images}, status=np.zeros(count, int), messages=[""] * count
    )
