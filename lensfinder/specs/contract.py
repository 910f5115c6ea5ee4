"""What a model needs to be fed: groups, bands, stamp sizes, pixel scales and unit."""

import math
from collections.abc import Mapping

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_serializer,
    model_validator,
)

from lensfinder.errors import (
    InputContractError,
    MissingBandError,
    PixelScaleError,
    StampShapeError,
    UnitError,
    UnknownNameError,
)
from lensfinder.specs.branches import BranchContract

PIXEL_SCALE_RTOL = 0.005  # survey headers round the scale at the third digit; 0.5 % of a stamp
# of 100 pixels is half a pixel at its edge


class GroupContract(BaseModel):
    """Bands that share one pixel grid, as a model expects them.

    Attributes
    ----------
    name : str
        Name of the group, and of the model's input.
    bands : tuple of str
        Band names in channel order.
    stamp : int
        Side of the square stamp, in pixels.
    pixel_scale : float
        Arcsec per pixel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    bands: tuple[str, ...] = Field(min_length=1)
    stamp: int = Field(ge=4, le=4096)
    pixel_scale: float = Field(gt=0, lt=60, allow_inf_nan=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one object's array: (stamp, stamp, bands)."""
        return (self.stamp, self.stamp, len(self.bands))

    @property
    def width(self) -> float:
        """Side of the stamp on the sky, in arcsec."""
        return self.stamp * self.pixel_scale


class InputContract(BaseModel):
    """What images a model accepts; saved in its preset and checked at every prediction.

    Attributes
    ----------
    survey : str
        Name of the survey the model was made for.
    groups : tuple of GroupContract
        One per pixel grid.
    unit : str
        Pixel unit.
    branches : tuple of BranchContract
        What the branches of a network that was adapted from another survey are shown of it; empty
        where each branch takes the group of its name as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    survey: str
    groups: tuple[GroupContract, ...] = Field(min_length=1)
    unit: str = "electron/s"
    branches: tuple[BranchContract, ...] = Field(default=(), max_length=64)

    @field_validator("groups")
    @classmethod
    def _distinct(cls, groups):
        names = [group.name for group in groups]
        bands = [band for group in groups for band in group.bands]
        for kind, values in (("group", names), ("band", bands)):
            if len(set(values)) != len(values):
                raise ValueError(f"each {kind} may stand once only: {values}.")
        return groups

    @model_validator(mode="after")
    def _branches_are_fed(self):
        names = [branch.name for branch in self.branches]
        if len(set(names)) != len(names):
            raise ValueError(f"each branch may stand once only: {names}.")
        home = {band: group for group in self.groups for band in group.bands}
        for branch in self.branches:
            unknown = [band for band in branch.bands if band not in home]
            if unknown:
                raise ValueError(f"branch {branch.name} takes {unknown[0]}, which no group holds.")
            sources = {home[band].name: home[band].stamp for band in branch.bands}
            if set(sources) != set(branch.crop):
                raise ValueError(f"branch {branch.name} needs a crop for each of {list(sources)}.")
            for name, stamp in sources.items():
                if not 4 <= branch.crop[name] <= stamp:
                    raise ValueError(
                        f"the crop of {name} for branch {branch.name} must be 4 to {stamp} pixels."
                    )
        return self

    @model_serializer(mode="wrap")
    def _without_a_word_about_no_branches(self, handler):
        data = handler(self)  # so that files of networks that were not adapted stay as they were
        if not self.branches:
            data.pop("branches", None)
        return data

    @classmethod
    def from_survey(cls, survey, groups=None) -> "InputContract":
        """The contract of a model that takes a survey's images.

        Parameters
        ----------
        survey : Survey
            The survey.
        groups : sequence of str or None
            Names of the groups to take; all of them by default.

        Returns
        -------
        InputContract
            The contract.
        """
        chosen = survey.groups if groups is None else [survey.group(name) for name in groups]
        return cls(
            survey=survey.name,
            unit=survey.unit,
            groups=tuple(
                GroupContract(
                    name=group.name,
                    bands=group.band_names,
                    stamp=group.stamp,
                    pixel_scale=group.pixel_scale,
                )
                for group in chosen
            ),
        )

    def select(self, choice: Mapping) -> "InputContract":
        """The contract of a model that takes some groups and bands of this one.

        Parameters
        ----------
        choice : mapping of str to sequence of str
            Bands to take, per group, in the order wanted. ``{"vis": ["VIS"], "nisp": ["Y"]}`` is
            the variant "Y+VIS" of Bom et al. 2022, table 1.

        Returns
        -------
        InputContract
            The smaller contract.

        Raises
        ------
        MissingBandError
            If a band is not in the contract.
        InputContractError
            If a group is not.
        UnknownNameError
            If a band is in another group.
        """
        groups = []
        for name, bands in choice.items():
            group = self.group(name)
            for band in bands:
                self.group_of(band)
            unknown = [band for band in bands if band not in group.bands]
            if unknown:
                raise UnknownNameError(f"band of group {name}", unknown[0], group.bands)
            groups.append(GroupContract(**{**group.model_dump(), "bands": tuple(bands)}))
        return InputContract(survey=self.survey, unit=self.unit, groups=tuple(groups))

    def channels(self, held) -> dict[str, tuple[int, ...]]:
        """Where the bands of this contract stand in images that hold more.

        Parameters
        ----------
        held : Survey or mapping of str to sequence of str
            Whose images they are; or band names per group, in channel order.

        Returns
        -------
        dict of str to tuple of int
            Per group of the contract, the channels to take, in the contract's order.

        Raises
        ------
        MissingBandError
            If a group or a band is not there.
        """
        if not isinstance(held, Mapping):
            held = {group.name: group.band_names for group in held.groups}
        found = {}
        for group in self.groups:
            bands = list(held.get(group.name, ()))
            missing = [band for band in group.bands if band not in bands]
            if missing:
                raise MissingBandError(
                    f"Group {group.name!r} must hold the band {missing[0]}. Received: "
                    f"{', '.join(bands) or 'no such group'}. Take images of {self.survey}.",
                    band=missing[0],
                )
            found[group.name] = tuple(map(bands.index, group.bands))
        return found

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """Shape of one object's array per group."""
        return {group.name: group.shape for group in self.groups}

    @property
    def branch_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Shape of one object's array per branch of the network; `shapes` if it has no others."""
        branches = {b.name: (b.stamp, b.stamp, len(b.bands)) for b in self.branches}
        return branches or self.shapes

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands, group by group."""
        return tuple(band for group in self.groups for band in group.bands)

    def group(self, name: str) -> GroupContract:
        """The group of this name.

        Parameters
        ----------
        name : str
            Name of a group.

        Returns
        -------
        GroupContract
            The group.

        Raises
        ------
        InputContractError
            If there is none.
        """
        for group in self.groups:
            if group.name == name:
                return group
        raise InputContractError(
            f"The contract of {self.survey} has the groups {list(self.shapes)}. Received: {name!r}."
        )

    def group_of(self, band: str) -> GroupContract:
        """The group that holds a band.

        Parameters
        ----------
        band : str
            Name of a band.

        Returns
        -------
        GroupContract
            The group.

        Raises
        ------
        MissingBandError
            If no group holds the band.
        """
        for group in self.groups:
            if band in group.bands:
                return group
        raise MissingBandError(
            f"The bands are {', '.join(self.bands)}. Received: {band!r}.", band=band
        )

    def check(self, images, pixel_scales=None, unit=None) -> None:
        """Check a batch of images; say what is wrong, or return silently.

        Parameters
        ----------
        images : dict of str to array (N, stamp, stamp, bands)
            One array per group.
        pixel_scales : dict of str to float or None
            Arcsec per pixel of each group, where known.
        unit : str or None
            Pixel unit, where known.

        Raises
        ------
        MissingBandError
            If a group is missing, or there is one too many.
        StampShapeError
            If an array has another shape.
        PixelScaleError
            If a scale differs by more than 0.5 %.
        UnitError
            If the unit is another one.
        """
        if not isinstance(images, Mapping) or set(images) != set(self.shapes):
            received = sorted(images) if isinstance(images, Mapping) else type(images).__name__
            raise MissingBandError(
                f"The model needs the groups {sorted(self.shapes)}. Received: {received}. "
                "Give one array per group, as {group: array}.",
                expected=sorted(self.shapes),
                received=received,
            )
        counts = set()
        for group in self.groups:
            shape = tuple(np.shape(images[group.name]))
            if len(shape) != 4 or shape[1:] != group.shape:
                raise StampShapeError(
                    f"Group {group.name!r} must have shape (N, {group.stamp}, {group.stamp}, "
                    f"{len(group.bands)}) for the bands {', '.join(group.bands)}. "
                    f"Received: {shape}. Cut the stamps to size, or use resample=True.",
                    expected=group.shape,
                    received=shape,
                )
            counts.add(shape[0])
            self._check_scale(group, (pixel_scales or {}).get(group.name))
        if len(counts) > 1:
            raise StampShapeError(f"All groups must hold the same objects. Received: {counts}.")
        if unit is not None and unit != self.unit:
            raise UnitError(
                f"Pixels must be in {self.unit}. Received: {unit!r}. Calibrate the images first.",
                expected=self.unit,
                received=unit,
            )

    @staticmethod
    def _check_scale(group, scale):
        if scale is not None and not math.isclose(
            scale, group.pixel_scale, rel_tol=PIXEL_SCALE_RTOL
        ):
            raise PixelScaleError(
                f"Group {group.name!r} must have {group.pixel_scale} arcsec per pixel. "
                f"Received: {scale}. Use resample=True to change the pixel scale.",
                expected=group.pixel_scale,
                received=scale,
            )
