"""The preprocessing that several networks begin with."""

from lensfinder.zoo.layers import ArcsinhStretch, ImageScale


def scaled(images: dict, kind: str) -> dict:
    """Images, preprocessed inside the model.

    Parameters
    ----------
    images : dict of str to tensor (N, H, W, bands)
        From `lensfinder.zoo.inputs.to_branches`.
    kind : {"arcsinh", "image", "none"}
        An `ArcsinhStretch`, to be adapted; each image to 0-1 (`ImageScale`); or nothing.

    Returns
    -------
    dict of str to tensor (N, H, W, bands)
        One per branch.
    """
    if kind == "arcsinh":
        return {g: ArcsinhStretch(group=g, name=f"{g}_stretch")(x) for g, x in images.items()}
    if kind == "image":
        return {g: ImageScale(name=f"{g}_scale")(x) for g, x in images.items()}
    return dict(images)
