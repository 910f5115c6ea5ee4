"""EDSR without upsampling: noisy images in, noiseless and deblended images out."""

from typing import Literal

import keras
from pydantic import BaseModel, ConfigDict, Field

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.inputs import make_inputs
from lensfinder.zoo.layers import ArcsinhStretch, BandScale, StackPlanes

SCALINGS = {"linear": BandScale, "arcsinh": ArcsinhStretch}
SMALLEST = 16  # pixels; a smaller stamp or patch is mostly border


class EdsrArguments(BaseModel):
    """Arguments of `edsr`.

    Attributes
    ----------
    blocks, channels : int
        Residual blocks, and channels of each convolution, of one module. Madireddy et al. take 16
        and 256; the default trains on a CPU.
    residual_scale : float
        What the two convolutions of a block are multiplied by before they are added. Lim et al.
        2017 take 0.1 for 256 channels, where training was unstable without.
    skip : {"image", "features"}
        Where the global skip ends: in the image, so that an untrained module hands on what it is
        given, or in the features alone, as in the paper.
    scaling : {"linear", "arcsinh"}
        What the modules work in: images divided by a constant per band (`BandScale`), as in the
        paper; or stretched (`ArcsinhStretch`), where an arc weighs as much as the core beside it.
        A denoiser then takes steps of the size of the noise from the image as it is (whatever
        `skip` says), so that the core keeps its light to the last digit.
    bounded : bool
        Of a pair: whether a source is no brighter than the denoised image, pixel by pixel, as light
        adds up. A deblender alone overshoots where the source outshines the lens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    blocks: int = Field(default=4, ge=1, le=64)
    channels: int = Field(default=24, ge=1, le=512)
    residual_scale: float = Field(default=1.0, gt=0, le=1)
    skip: Literal["image", "features"] = "image"
    scaling: Literal["linear", "arcsinh"] = "linear"
    bounded: bool = False


def edsr(contract, task: str, *, targets, arguments: EdsrArguments) -> keras.Model:
    """Build a cleaner: one EDSR module per plane, each fed with what the one before gives.

    With one target it is the denoiser (S2) or the deblender (S3) of modular training, or the
    end-to-end network (S3 from S1); with both it is the pair of joint training, whose deblender
    sees the denoised image (Madireddy et al., section 3.1). The modules of Lim et al. 2017, figure
    3, without their last upsampling; images are scaled within, and the answer is in the unit of the
    input.

    ==================  ===========  =================
    inputs 111x111x3    parameters   M multiply-adds
    ==================  ===========  =================
    pair, 4 x 24        96,396       1,182
    one, 16 x 256       19,486,729   239,989
    ==================  ===========  =================

    Parameters
    ----------
    contract : InputContract
        One group of at least 16 pixels.
    task : {"cleaner"}
        The kind of output.
    targets : tuple of str
        Planes to predict, of "S2" and "S3", in this order.
    arguments : EdsrArguments
        Options.

    Returns
    -------
    keras.Model
        Takes {group: (N, H, W, bands)}, e-/s, and gives (N, planes, H, W, bands); adapt it
        (`lensfinder.zoo.adapt`) before training.

    Raises
    ------
    ArchitectureError
        If there are several groups, the stamp is smaller than 16 pixels, or a source is to be
        bounded by an image that the network does not make.
    """
    if arguments.bounded and tuple(targets) != ("S2", "S3"):
        raise ArchitectureError(
            "A source is bounded by the denoised image of a pair, S2 and S3. Received: "
            f"{', '.join(targets)}. Leave `bounded` out."
        )
    if len(contract.groups) != 1 or contract.branches:
        raise ArchitectureError(
            "A cleaner takes one group, whose bands share a pixel grid. Received: "
            f"{list(contract.shapes)}. Train one per group."
        )
    inputs = make_inputs(contract, smallest=SMALLEST)
    ((group, image),) = inputs.items()
    words = {"group": group, "name": f"{group}_scale"}
    if arguments.scaling == "arcsinh":  # half precision would lose the light it is put back onto
        words["dtype"] = "float32"
    scale = SCALINGS[arguments.scaling](**words)
    planes = []
    for plane in targets:
        if arguments.scaling == "arcsinh" and plane == "S2":
            step = _module(scale(image), plane.lower(), arguments, skip=False)
            image = scale(step, onto=image)
        else:
            x = _module(scale(image), plane.lower(), arguments, skip=arguments.skip == "image")
            x = scale(x, inverse=True)
            if arguments.bounded and plane == "S3":
                light = keras.layers.ReLU(name="s3_light", dtype="float32")(image)
                x = keras.layers.Minimum(name="s3_bound", dtype="float32")([x, light])
            image = x
        planes.append(image)
    return keras.Model(inputs, StackPlanes(dtype="float32", name="planes")(planes), name="edsr")


def _module(image, name: str, arguments: EdsrArguments, *, skip: bool):
    """Convolution, residual blocks, convolution beside the global skip, and back to bands."""
    head = x = _conv(image, f"{name}_head", arguments.channels)
    for number in range(1, arguments.blocks + 1):
        x = _block(x, f"{name}_block{number}", arguments)
    x = _conv(x, f"{name}_body", arguments.channels)
    x = keras.layers.Add(name=f"{name}_skip")([head, x])
    # small first answers: with the skip to the image, training starts from the image itself
    start = keras.initializers.VarianceScaling(0.01) if arguments.skip == "image" else None
    x = _conv(x, f"{name}_tail", image.shape[-1], start)
    return keras.layers.Add(name=f"{name}_image_skip")([image, x]) if skip else x


def _block(x, name: str, arguments: EdsrArguments):
    """Convolution, ReLU, convolution; no batch norm (Lim et al. 2017, section 3.1)."""
    inner = _conv(x, f"{name}_a", arguments.channels)
    inner = keras.layers.ReLU(name=f"{name}_relu")(inner)
    inner = _conv(inner, f"{name}_b", arguments.channels)
    if arguments.residual_scale != 1:
        inner = keras.layers.Rescaling(arguments.residual_scale, name=f"{name}_scale")(inner)
    return keras.layers.Add(name=f"{name}_add")([x, inner])


def _conv(x, name: str, filters: int, start=None):
    return keras.layers.Conv2D(
        filters,
        3,
        padding="same",
        kernel_initializer=start or "glorot_uniform",
        name=f"{name}_conv",
    )(x)


def receptive_radius(model) -> int:
    """How far from a pixel the image can change a cleaner's answer there.

    Parameters
    ----------
    model : keras.Model
        A cleaner: convolutions of stride 1, one after the other.

    Returns
    -------
    int
        Pixels; 2 blocks + 3 per module.

    Raises
    ------
    ArchitectureError
        If a layer changes the size of the image, or looks at all of it.
    """
    radius = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            if layer.strides != (1, 1) or layer.padding != "same":
                raise ArchitectureError(f"{layer.name} changes the size. Take another network.")
            radius += max(k // 2 * d for k, d in zip(layer.kernel_size, layer.dilation_rate))
        elif not isinstance(layer, _POINTWISE):
            raise ArchitectureError(
                f"{layer.name} may look at the whole image. Tile networks of convolutions only."
            )
    return radius


_POINTWISE = (
    keras.layers.InputLayer,
    keras.layers.Add,
    keras.layers.Minimum,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    *SCALINGS.values(),
    StackPlanes,
)


def resized(model, height: int | None = None, width: int | None = None):
    """The same cleaner, weights shared, for images of another size.

    Parameters
    ----------
    model : keras.Model
        A cleaner.
    height, width : int or None
        Size of the images in pixels; None for any.

    Returns
    -------
    keras.Model
        Its layers are those of `model`: training one trains the other.
    """
    inputs = {
        tensor.name: keras.Input((height, width, tensor.shape[-1]), name=tensor.name)
        for tensor in model.inputs
    }
    receptive_radius(model)  # refuses layers that would not mean the same at another size
    return keras.models.clone_model(model, inputs, clone_function=lambda layer: layer)
