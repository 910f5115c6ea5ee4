"""What the branches of a network are shown of a survey that it was not first made for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BranchContract(BaseModel):
    """What one branch of an adapted network is shown: which bands, cut and resized how.

    A network that was made for one survey and adapted to another keeps its branches. The central
    pixels of each band are cut out and brought to the branch's size by OpenCV's resize, inside the
    model, so that raw images of the new survey go in.

    Attributes
    ----------
    name : str
        Name of the branch: that of a group of the survey the network was first made for.
    bands : tuple of str
        Bands of the new survey, in the order of the branch's channels; one may stand twice.
    stamp : int
        Side in pixels after resizing.
    crop : dict of str to int
        Per group of the new survey that a band is taken from: side in pixels of what is cut out.
    resize : {"linear", "area", "cubic"}
        OpenCV's interpolation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    bands: tuple[str, ...] = Field(min_length=1, max_length=64)
    stamp: int = Field(ge=4, le=4096)
    crop: dict[str, int] = Field(min_length=1, max_length=64)
    resize: Literal["linear", "area", "cubic"] = "linear"
