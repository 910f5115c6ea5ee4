"""The winner of the second lens-finding challenge (Bom et al. 2022): an EfficientNet per grid."""

from typing import Literal

import keras
from keras import ops
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.efficientnet_branch import VARIANTS, efficientnet_branch, load_imagenet
from lensfinder.zoo.efficientnet_lite import LITE
from lensfinder.zoo.imagenet import DOWNLOAD, imagenet_file
from lensfinder.zoo.inputs import join, make_inputs, to_branches
from lensfinder.zoo.layers import ArcsinhStretch, ContrastClip, JointAugment

CHANNELS = 3  # of an ImageNet network


class TwoBranchArguments(BaseModel):
    """Arguments of `two_branch_efficientnet`.

    Attributes
    ----------
    variant : str
        "B0" to "B7", or for machines without a GPU "B0-half" or "Lite0" (B0 without squeeze and
        excitation); the paper's choice is "B2".
    clip : {"alternative", "challenge", "none", "arcsinh"}
        Scheme of the `ContrastClip`; or an `ArcsinhStretch` in units of the noise in its place,
        which the paper does not have.
    upper_percentiles : dict of str to float or None
        Per group another percentile for the upper bound of the `ContrastClip`, for stamps that
        show less sky than the paper's.
    channels : {"repeat", "zeros", "native"}
        How a group of fewer than three bands enters a three-channel branch: its one band three
        times, or with empty channels; "native" builds a branch with as many channels as the group
        has bands.
    augment : bool
        Rotations, mirrors and zooms in training, the same for all branches of an object.
    imagenet_weights : str or None
        A file of keras.applications' "notop" weights to start every branch from, or "download" for
        the one that Keras publishes (`lensfinder.zoo.imagenet`): fetched once, then in the cache.
        For "Lite0" a file that ``benchmarks/lite_weights.py`` wrote.
    imagenet_sha256 : str or None
        What that file must hash to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    variant: Literal[VARIANTS] = "B2"
    clip: Literal["alternative", "challenge", "none", "arcsinh"] = "alternative"
    upper_percentiles: dict[str, float] | None = Field(default=None, max_length=8)
    channels: Literal["repeat", "zeros", "native"] = "repeat"
    augment: bool = True
    imagenet_weights: str | None = None
    imagenet_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


def two_branch_efficientnet(
    contract, task: str, *, targets, arguments: TwoBranchArguments
) -> keras.Model:
    """Build the finder of Bom et al. 2022 (section 3.2, figure 5a): one branch per group.

    The branches are keras.applications' networks without their top and **without their scaling
    layers**, which made the authors' training over-fit from the second epoch (section 7.4). Their
    pooled features are concatenated, and one dense softmax of two follows; its second value is
    p_lens. The paper's variants are contracts with fewer groups or bands (`lensfinder.zoo.select`).

    Parameters
    ----------
    contract : InputContract
        Groups of at least 32 pixels; up to three bands each unless ``channels="native"``.
    task : {"finder"}
        The kind of output.
    targets : tuple of str
        Unused; a finder predicts ``p_lens``.
    arguments : TwoBranchArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s; adapt it (`lensfinder.zoo.adapt`) before training.

    Raises
    ------
    ArchitectureError
        If a stamp is too small, a group has too many bands, or ImageNet weights are asked for in a
        branch that does not have three channels.
    UntrustedArtefactError
        If the ImageNet file is not what it should be.
    DownloadError
        If it was to be fetched, and cannot be.
    """
    inputs = make_inputs(contract, smallest=32)
    images = {
        group: _scaled(arguments, group)(x) for group, x in to_branches(inputs, contract).items()
    }
    if arguments.augment:
        images = JointAugment(name="augment")(images)
    features, branches = [], {}
    for group, x in images.items():
        x = _to_channels(x, group, arguments.channels)
        branches[group] = efficientnet_branch(arguments.variant, x.shape[1:], group)
        features.append(branches[group](x))
    if arguments.imagenet_weights is not None:
        if (arguments.variant, arguments.imagenet_weights) == (LITE, DOWNLOAD):
            raise ArchitectureError(
                f"Nobody publishes weights of {LITE} that Keras could fetch. Give "
                "imagenet_weights a file that benchmarks/lite_weights.py wrote."
            )
        fetched = arguments.imagenet_weights == DOWNLOAD
        load_imagenet(
            branches,
            arguments.variant,
            imagenet_file(arguments.variant) if fetched else arguments.imagenet_weights,
            sha256=arguments.imagenet_sha256,
        )
    x = join(features, "join")
    x = keras.layers.Dense(2, activation="softmax", dtype="float32", name="classes")(x)
    output = keras.layers.Identity(dtype="float32", name="p_lens")(x[:, 1:2])
    return keras.Model(inputs, output, name="two_branch_efficientnet")


def _scaled(arguments: TwoBranchArguments, group: str):
    if arguments.clip == "arcsinh":
        return ArcsinhStretch(group=group, name=f"{group}_stretch")
    upper = (arguments.upper_percentiles or {}).get(group)
    return ContrastClip(arguments.clip, upper_percentile=upper, group=group, name=f"{group}_clip")


def _to_channels(x, group: str, how: str):
    bands = x.shape[-1]
    if how == "native" or bands == CHANNELS:
        return x
    if bands > CHANNELS:
        raise ArchitectureError(
            f"A branch has {CHANNELS} channels. Received {bands} bands in group {group!r}. "
            "Select three of them (`lensfinder.zoo.select`), or use channels='native'."
        )
    if how == "repeat" and bands == 1:
        return ops.repeat(x, CHANNELS, axis=-1)
    return ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, CHANNELS - bands)))
