"""Which bands of a survey stand in for those that a network was made for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from lensfinder.errors import MissingBandError, UnknownNameError
from lensfinder.specs.branches import BranchContract
from lensfinder.specs.contract import PIXEL_SCALE_RTOL, InputContract


class View(BaseModel):
    """What the branches of a network are shown of a survey that it was not made for.

    Attributes
    ----------
    bands : dict of str to str or None
        Which band of the new survey to take for each band of the base, e.g. ``{"VIS": "r"}``, or
        ``{"VIS": "r", "H": "i", "J": "g", "Y": "u"}``. None: those of the same names, or the only
        one there is.
    field : {"sky", "stamp"}
        "sky": as much of the sky as the base saw, cut out about the centre, so that an arc keeps
        its size in pixels. "stamp": the whole stamp, as Bom et al. 2022 (section 6).
    resize : {"linear", "area", "cubic"}
        OpenCV's interpolation to the base's stamp.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    bands: dict[str, str] | None = None
    field: Literal["sky", "stamp"] = "sky"
    resize: Literal["linear", "area", "cubic"] = "linear"

    def contract(self, base: InputContract, held: InputContract) -> InputContract:
        """The input contract of a network that is shown another survey.

        Parameters
        ----------
        base : InputContract
            What the network took so far.
        held : InputContract
            What there is of the new survey.

        Returns
        -------
        InputContract
            The groups and bands of the new survey that are used, and how the branches see them.
            Without `branches`, if they are what the base took in every respect.

        Raises
        ------
        UnknownNameError
            If `bands` names a band that the base does not have.
        MissingBandError
            If a band of the base has no stand-in, or the new survey has no such band.
        """
        branches = _branches_of(base)
        stands_in = self._stand_ins([band for _, bands, *_ in branches for band in bands], held)
        used = {stands_in[band] for _, bands, *_ in branches for band in bands}
        choice = {g.name: [b for b in g.bands if b in used] for g in held.groups}
        small = held.select({name: bands for name, bands in choice.items() if bands})
        if _same(base, small, stands_in):
            return small
        found = []
        for name, bands, stamp, width in branches:
            groups = [small.group_of(stands_in[band]) for band in bands]
            found.append(
                BranchContract(
                    name=name,
                    bands=tuple(stands_in[band] for band in bands),
                    stamp=stamp,
                    crop={group.name: self._crop(group, width) for group in groups},
                    resize=self.resize,
                )
            )
        return InputContract(
            survey=small.survey, groups=small.groups, unit=small.unit, branches=tuple(found)
        )

    def _stand_ins(self, wanted, held) -> dict[str, str]:
        given = self.bands
        if given is None:
            single = len(set(wanted)) == len(held.bands) == 1
            given = {wanted[0]: held.bands[0]} if single else {band: band for band in held.bands}
            given = {ours: theirs for ours, theirs in given.items() if ours in wanted}
        for band in given:
            if band not in wanted:
                raise UnknownNameError("band of the base", band, wanted)
        missing = [band for band in wanted if band not in given]
        if missing:
            raise MissingBandError(
                f"The base needs {', '.join(dict.fromkeys(wanted))}; the survey {held.survey} has "
                f"{', '.join(held.bands)}. Say which band to take for {missing[0]!r} "
                f"(--band-map {missing[0]}={held.bands[0]}).",
                band=missing[0],
            )
        for band in given.values():
            held.group_of(band)
        return given

    def _crop(self, group, width) -> int:
        if self.field == "stamp":
            return group.stamp
        side = width / group.pixel_scale
        # an odd stamp is cut to an odd one, or the centre would move by half a pixel
        fitting = range(group.stamp, 3, -2)
        return min(fitting, key=lambda pixels: abs(pixels - side))


def _branches_of(base: InputContract):
    """(name, bands, stamp, arcsec across) of each branch of a network."""
    if not base.branches:
        return [(g.name, g.bands, g.stamp, g.width) for g in base.groups]
    return [
        (b.name, b.bands, b.stamp, max(n * base.group(g).pixel_scale for g, n in b.crop.items()))
        for b in base.branches
    ]


def _same(base, small, stands_in) -> bool:
    """Whether the network can take the new images as it took the old ones."""
    if base.branches or [g.name for g in base.groups] != [g.name for g in small.groups]:
        return False
    return all(
        old.stamp == new.stamp
        and abs(old.pixel_scale / new.pixel_scale - 1) <= PIXEL_SCALE_RTOL
        and tuple(stands_in[band] for band in old.bands) == new.bands
        for old, new in zip(base.groups, small.groups, strict=True)
    )
