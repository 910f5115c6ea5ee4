"""The preprocessing that several networks begin with."""

import keras

from lensfinder.zoo.layers import ArcsinhStretch, ImageScale


def scaled(images: dict, kind: str, *, positive: bool = False) -> dict:
    """Images, preprocessed inside the model.

    Parameters
    ----------
    images : dict of str to tensor (N, H, W, bands)
        From `lensfinder.zoo.inputs.to_branches`.
    kind : {"arcsinh", "image", "none"}
        An `ArcsinhStretch`, to be adapted; each image to 0-1 (`ImageScale`); or nothing.
    positive : bool
        Whether negative pixels count as dark before that: the holes that a cleaner leaves, which a
        true source has not, would lift the whole background of an image that is brought to 0-1.

    Returns
    -------
    dict of str to tensor (N, H, W, bands)
        One per branch.
    """
    if positive:
        images = {g: keras.layers.ReLU(name=f"{g}_light")(x) for g, x in images.items()}
    if kind == "arcsinh":
        return {g: ArcsinhStretch(group=g, name=f"{g}_stretch")(x) for g, x in images.items()}
    if kind == "image":
        return {g: ImageScale(name=f"{g}_scale")(x) for g, x in images.items()}
    return dict(images)
