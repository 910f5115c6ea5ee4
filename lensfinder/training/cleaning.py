"""What training a cleaner needs beside the rest: planes as truth, patches, and figures."""

import numpy as np

from lensfinder.errors import DatasetSpecError
from lensfinder.training.image_metrics import image_figures


def plane_truth(planes, names, group: str, channels=None) -> np.ndarray:
    """What a cleaner should answer.

    Parameters
    ----------
    planes : dict of str to dict of str to array (N, H, W, bands)
        Planes of some mocks, per group (`lensfinder.simulate.Mocks.planes`).
    names : sequence of str
        Planes to take, in order.
    group : str
        The group.
    channels : sequence of int or None
        Bands to take; all by default.

    Returns
    -------
    array (N, planes, H, W, bands)
        float32.

    Raises
    ------
    DatasetSpecError
        If the mocks lack a plane.
    """
    missing = [name for name in names if name not in planes]
    if missing:
        raise DatasetSpecError(
            f"The mocks must hold the plane {missing[0]}. Received: {', '.join(planes)}. "
            "Ask the simulator for it."
        )
    stacked = np.stack([planes[name][group] for name in names], axis=1)
    return stacked if channels is None else stacked[..., list(channels)]


def patches(images, y, side: int, *, rng=None):
    """The same square piece of the images of an object and of its truth.

    Parameters
    ----------
    images : dict of str to array (N, H, W, bands)
        One group.
    y : array (N, planes, H, W, bands)
        Truth.
    side : int
        Of the patch, in pixels.
    rng : numpy.random.Generator or None
        For random places, one per object; the middle of the image by default.

    Returns
    -------
    images : dict of str to array (N, side, side, bands)
        Pieces of the images.
    y : array (N, planes, side, side, bands)
        Pieces of the truth.

    Raises
    ------
    DatasetSpecError
        If there are several groups, or the image is smaller than the patch.
    """
    if len(images) != 1:
        raise DatasetSpecError(f"Patches are cut from one group. Received: {list(images)}.")
    ((group, image),) = images.items()
    room = [size - side for size in image.shape[1:3]]
    if min(room) < 0 or y.shape[2:4] != image.shape[1:3]:
        raise DatasetSpecError(
            f"A patch of {side} pixels needs images and truth of one size, at least as large. "
            f"Received: {image.shape} and {y.shape}."
        )
    if rng is None:
        corners = np.tile([step // 2 for step in room], (len(image), 1))
    else:
        corners = rng.integers(0, np.array(room) + 1, (len(image), 2))
    cut = [(slice(row, row + side), slice(column, column + side)) for row, column in corners]
    pieces = np.stack([one[place] for one, place in zip(image, cut, strict=True)])
    truth = np.stack([one[:, *place] for one, place in zip(y, cut, strict=True)])
    return {group: pieces}, truth


def cleaner_figures(names, truth, cleaned, given) -> dict:
    """How near cleaned images come to the truth, and how near what they were made from was.

    Parameters
    ----------
    names : sequence of str
        Planes.
    truth, cleaned : array (N, planes, H, W, bands)
        True and cleaned images.
    given : array (N, H, W, bands)
        What the network was shown.

    Returns
    -------
    dict
        Per plane: means of ``psnr`` (decibels) and ``ssim``, of ``psnr_given`` and ``ssim_given``,
        and of the flux per object over the true one, ``flux_ratio`` (median), with its scatter
        ``flux_ratio_nmad``.

    Raises
    ------
    MetricError
        If the images cannot be compared.
    """
    found = {"objects": len(truth)}
    for number, name in enumerate(names):
        after = image_figures(truth[:, number], cleaned[:, number])
        before = image_figures(truth[:, number], given)
        flux = np.sum(truth[:, number], axis=(1, 2, 3), dtype=np.float64)
        ratio = np.sum(cleaned[:, number], axis=(1, 2, 3), dtype=np.float64)
        ratio = ratio / np.where(flux != 0, flux, np.nan)
        middle = float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else float("nan")
        found[name] = {
            **{key: float(values.mean()) for key, values in after.items()},
            **{f"{key}_given": float(values.mean()) for key, values in before.items()},
            "flux_ratio": middle,
            "flux_ratio_nmad": 1.4826 * float(np.nanmedian(np.abs(ratio - middle))),
        }
    return found


def validation_psnr(names, truth, cleaned) -> dict[str, float]:
    """The figures that are followed during training.

    Parameters
    ----------
    names : sequence of str
        Planes.
    truth, cleaned : array (N, planes, H, W, bands)
        True and cleaned images.

    Returns
    -------
    dict of str to float
        ``val_psnr_S3`` and the like, decibels.
    """
    return {
        f"val_psnr_{name}": float(image_figures(truth[:, k], cleaned[:, k])["psnr"].mean())
        for k, name in enumerate(names)
    }


def measure_cleaner(predict, sample, *, contract, targets, note=None) -> dict:
    """Figures of a cleaner on a sample of mocks, with at most one batch of them in memory.

    Parameters
    ----------
    predict : callable
        ``{group: images (N, H, W, bands)} -> array (N, planes, H, W, bands)``.
    sample : MockSample
        The mocks, and the plane that the network is shown.
    contract : InputContract
        What the network must be fed; checked against the mocks.
    targets : sequence of str
        Planes it makes.
    note : callable or None
        Told the number of objects done after each batch.

    Returns
    -------
    dict
        ``cleaner``: means over the batches of `cleaner_figures`; ``data``: the sample.

    Raises
    ------
    InputContractError
        If the survey's images are not what the network takes.
    """
    from lensfinder.specs import load_survey
    from lensfinder.training.run_folder import versions

    parts = []
    for truth, cleaned, given in cleaned_batches(
        predict, sample, contract=contract, targets=targets
    ):
        parts.append(cleaner_figures(targets, truth, cleaned, given))
        if note is not None:
            note(sum(part["objects"] for part in parts))
    survey = load_survey(sample.survey)
    return {"data": sample.facts(survey), "versions": versions(), "cleaner": _mean(parts, targets)}


def cleaned_batches(predict, sample, *, contract, targets):
    """The mocks of a sample as a cleaner leaves them, some at a time.

    Parameters
    ----------
    predict, sample, contract, targets
        As in `measure_cleaner`.

    Yields
    ------
    truth, cleaned : array (N, planes, H, W, bands)
        True and cleaned images.
    given : array (N, H, W, bands)
        What the network was shown.

    Raises
    ------
    InputContractError
        If the survey's images are not what the network takes.
    """
    from lensfinder.simulate import Simulator
    from lensfinder.simulate.mocks import PLANES
    from lensfinder.specs import load_survey
    from lensfinder.training.planes import plane_batch

    survey = load_survey(sample.survey)
    wanted = [name for name in PLANES if name == sample.plane or name in targets]
    simulator = Simulator(
        sample.survey, sample.population, seed=sample.seed, planes=wanted, **sample.drawing
    )
    scales = {group.name: survey.group(group.name).pixel_scale for group in contract.groups}
    channels = contract.channels(survey)
    for mocks in simulator.stream(start=sample.start, count=sample.size, batch=64):
        batch = plane_batch(mocks, sample.plane, targets, channels)
        contract.check(batch.images, scales, survey.unit)
        ((_, given),) = batch.images.items()
        yield batch.y, predict(batch.images), given


def _mean(parts, names) -> dict:
    weight = np.array([part["objects"] for part in parts], float)
    return {
        "objects": int(weight.sum()),
        **{
            name: {
                key: float(np.average([part[name][key] for part in parts], weights=weight))
                for key in parts[0][name]
            }
            for name in names
        },
    }
