"""Cleaned images on disk: one FITS file per object, named after it."""

from pathlib import Path
from urllib.parse import quote

import numpy as np

from lensfinder.data import write_cutouts
from lensfinder.specs import load_survey
from lensfinder.specs.contract import PIXEL_SCALE_RTOL

DENOISED = "denoised"  # folder of what `intermediate` adds


class CleanedFiles:
    """Writes what a cleaner makes of the objects of a run.

    Parameters
    ----------
    folder : path
        Where the cleaned images go; the denoised ones go into its folder ``denoised``.
    cleaner : Cleaner
        What makes them.
    survey : Survey, str or None
        Whose zero points are written into the files; the preset's by default.
    intermediate : bool
        Whether the denoised images are written, too.
    """

    def __init__(self, folder, cleaner, *, survey=None, intermediate: bool = False):
        self.folder, self.intermediate = Path(folder), intermediate
        self._planes, self._name = cleaner.planes, str(cleaner.network.preset.name)
        self.survey = _survey_of(cleaner.contract, survey)
        self._names = FileNames()

    def write(self, chunk, answers, *, overwrite: bool = False) -> list[str]:
        """Write the images of a batch.

        Parameters
        ----------
        chunk : list of Cutout
            Its objects.
        answers : Answers
            What the cleaner made of them.
        overwrite : bool
            Whether files that exist may be replaced.

        Returns
        -------
        list of str
            Name of each object's file; empty for a row with a problem.
        """
        ((group, _),) = answers.images.items()
        good = np.flatnonzero(answers.status == 0)
        chosen = [self._names.take(chunk[row].id) for row in good]
        dark = answers.extra["dark"][good]
        for number, plane in enumerate(self._planes):
            last = number == len(self._planes) - 1
            words = {"KIND": "cleaned", "PLANE": plane, "CLEANER": self._name}
            for marked in (False, True):
                some = np.flatnonzero((dark & last) == marked)
                if not len(some) or not (last or self.intermediate):
                    continue
                write_cutouts(
                    self.folder if last else self.folder / DENOISED,
                    [chosen[k] for k in some],
                    {group: answers.values[good[some], number]},
                    self.survey,
                    header=words | ({"DARK": True} if marked else {}),
                    wcs=[self._sky(chunk[good[k]]) for k in some],
                    overwrite=overwrite,
                )
        written = dict(zip(good.tolist(), chosen, strict=True))
        return [FileNames.file(written.get(row)) for row in range(len(chunk))]

    def _sky(self, cutout) -> dict[str, dict]:
        """World coordinates of the bands whose pixels are still those of the file."""
        (group,) = self.survey.groups
        side, kept = (group.stamp, group.stamp), {}
        for name in (band.name for band in group.bands):
            scale = cutout.pixel_scales.get(name)
            same = scale and abs(scale / group.pixel_scale - 1.0) <= PIXEL_SCALE_RTOL
            if same and np.shape(cutout.bands.get(name)) == side and cutout.wcs.get(name):
                kept[name] = cutout.wcs[name]
        return kept


class FileNames:
    """Names for the files of objects: printable, and no two alike, whatever the ids are."""

    def __init__(self):
        self._used = set()

    def take(self, identity: str) -> str:
        """A name for the next object.

        Parameters
        ----------
        identity : str
            Its id.

        Returns
        -------
        str
            The id itself where it can be one; else percent-encoded, or with a number after it.
        """
        text = str(identity).strip()
        fit = text.isascii() and text.isprintable() and text
        name = base = (text if fit else quote(text, safe=" ") or "object")[:120]
        number = 2
        while name.lower() in self._used:
            name, number = f"{base}-{number}", number + 1
        self._used.add(name.lower())
        return name

    @staticmethod
    def file(name: str | None) -> str:
        """The file that `lensfinder.data.write_cutouts` writes for a name.

        Parameters
        ----------
        name : str or None
            From `take`.

        Returns
        -------
        str
            Empty for None.
        """
        return "" if name is None else quote(name, safe="+,=@") + ".fits"


def _survey_of(contract, survey):
    """The survey, with the groups and bands that the network takes."""
    survey = load_survey(contract.survey if survey is None else survey)
    groups = []
    for wanted in contract.groups:
        group = survey.group(wanted.name)
        bands = tuple(survey.band(name) for name in wanted.bands)
        groups.append(group.model_copy(update={"bands": bands, "stamp": wanted.stamp}))
    return survey.model_copy(update={"groups": tuple(groups)})
