"""The error policy, every error class, and the one registry of row flags.

Policy
------
* A programmer's or a user's mistake raises a `LensfinderError`; every class also derives from the
  built-in exception a caller would guess, so ``except ValueError`` works too.
* A message says what was expected, what was received, and ends in the remedy.
* One bad row among many never raises: the row keeps its place in the table and carries a `status`
  from `STATUS`, and its numbers are NaN.
* The values an error talks about are attributes, and errors survive pickling (workers send them).
"""

from dataclasses import dataclass


class LensfinderError(Exception):
    """Root of every error that this package raises on purpose."""

    def __init__(self, *args, **values):
        super().__init__(*args)
        self.__dict__.update(values)

    def __reduce__(self):
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(kind, args, values):
    error = kind.__new__(kind)
    Exception.__init__(error, *args)
    error.__dict__.update(values)
    return error


class ArgumentError(LensfinderError, ValueError):
    """An argument of a verb is not one it can work with."""


# --- specifications -------------------------------------------------------------------------------
class SpecError(LensfinderError, ValueError):
    """A survey, population or recipe file holds a key or a value that cannot be."""


class UnknownNameError(LensfinderError, KeyError):
    """A name is not in its registry; `known` lists what is."""

    def __init__(self, kind, name, known):
        known = tuple(sorted(known))
        super().__init__(
            f"There is no {kind} named {name!r}. Known: {', '.join(known) or '(none)'}.",
            kind=kind,
            name=name,
            known=known,
        )

    def __str__(self):  # KeyError would print the repr
        return self.args[0]


# --- images and tables in -------------------------------------------------------------------------
class InputContractError(LensfinderError, ValueError):
    """Images do not fit the input contract of a model."""


class StampShapeError(InputContractError):
    """The stamps do not have the shape the model was built for."""


class PixelScaleError(InputContractError):
    """The pixel scale of the images is not the one the model was built for."""


class MissingBandError(InputContractError):
    """A band the model needs is not among the images."""


class UnitError(InputContractError):
    """The images are not in the unit the model was built for."""


class DataFormatError(LensfinderError, ValueError):
    """A file cannot be read as what it claims to be."""


class TruncatedFileError(DataFormatError):
    """A file is shorter than its header says."""


class OversizedFileError(DataFormatError):
    """A file declares more pixels than it can hold, or than we are ready to read."""


class DatasetSpecError(LensfinderError, ValueError):
    """A data pipeline does not yield the elements its consumer needs."""


class ShardError(DataFormatError):
    """A shard does not match the manifest it belongs to."""


class LabelError(LensfinderError, ValueError):
    """Labels cannot be learned from, or do not go with their images."""


# --- models ---------------------------------------------------------------------------------------
class UntrustedArtefactError(LensfinderError, ValueError):
    """A weight or configuration file is not what its pinned description says; nothing is loaded."""


class DownloadError(LensfinderError, ConnectionError):
    """A file could not be had from any mirror; `attempts` holds (URL, what happened) of each."""


class PresetError(LensfinderError, ValueError):
    """A preset cannot be built or used as asked."""


class ArchitectureError(LensfinderError, ValueError):
    """A network cannot be built with these arguments."""


class UnscaledDivergenceError(LensfinderError, RuntimeError):
    """A network with a distribution over its weights is trained without the size of an epoch."""


# --- runs -----------------------------------------------------------------------------------------
class RecipeError(LensfinderError, ValueError):
    """A training recipe cannot be run as written."""


class CheckpointError(LensfinderError, RuntimeError):
    """A run folder holds no checkpoint that can be trusted, or belongs to another run."""


class TrainingDivergedError(LensfinderError, ArithmeticError):
    """The loss is no longer finite."""


class MetricError(LensfinderError, ValueError):
    """Predictions and truth cannot be compared as given."""


class SimulationError(LensfinderError, RuntimeError):
    """The simulator cannot make the objects that were asked for."""


class InversionError(LensfinderError, ValueError):
    """The source behind an image cannot be reconstructed as asked."""


class MaskError(InversionError):
    """A mask leaves nothing to fit, or there is no arc to draw one round."""


class NoiseMapError(InversionError):
    """A pixel to be fitted has no finite value, or no positive noise."""


class PsfError(InversionError):
    """A point spread function cannot blur these images."""


class SourceGridError(InversionError):
    """A source grid cannot hold the light that is traced to it."""


class FitError(InversionError):
    """No mass model can be fitted to a lens."""


class OutputExistsError(LensfinderError, FileExistsError):
    """The place to write to is taken, and overwriting was not asked for."""


class ResourceError(LensfinderError, FileNotFoundError):
    """A folder that belongs to the package is not where it should be."""


# --- rows -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Flag:
    """One reason why a row has no numbers."""

    bit: int
    name: str
    words: str


class FlagSet:
    """A registry of flags: bits never change once published, and names decode them."""

    def __init__(self, name: str, flags: tuple[Flag, ...]):
        self.name, self.flags = name, flags
        self._by_name = {flag.name: flag for flag in flags}
        bits = [flag.bit for flag in flags]
        if len(set(bits)) != len(bits) or len(self._by_name) != len(flags):
            raise ValueError(f"Flags of {name!r} must have distinct bits and names.")
        if any(bit < 1 or bit & (bit - 1) for bit in bits):
            raise ValueError(f"Flags of {name!r} must be powers of two. Received: {bits}.")

    def __getitem__(self, name: str) -> int:
        try:
            return self._by_name[name].bit
        except KeyError:
            raise UnknownNameError(f"{self.name} flag", name, self._by_name) from None

    def as_dict(self) -> dict[str, int]:
        """Bit by name of flag."""
        return {flag.name: flag.bit for flag in self.flags}

    def decode(self, value: int) -> str:
        """Names of the raised flags joined by commas, or ``"ok"``."""
        return ",".join(flag.name for flag in self.flags if int(value) & flag.bit) or "ok"

    def explain(self, value: int) -> str:
        """The words of the raised flags, for a person."""
        return "; ".join(flag.words for flag in self.flags if int(value) & flag.bit) or "no problem"


STATUS = FlagSet(
    "status",
    (
        Flag(1, "nan_pixels", "at least one pixel is NaN or infinite"),
        Flag(2, "wrong_shape", "the stamp does not have the size the model needs"),
        Flag(4, "missing_band", "a band the model needs is not in the file"),
        Flag(8, "wrong_pixel_scale", "the pixel scale is not the one the model needs"),
        Flag(16, "constant_image", "a band is all zero or one constant value"),
        Flag(32, "unreadable", "the file cannot be read"),
        Flag(64, "truncated", "the file is shorter than its header says"),
        Flag(128, "wrong_unit", "the pixel unit is not the one the model needs"),
        Flag(256, "edge", "the cutout is cut by the edge of its image"),
        Flag(512, "extreme_pixels", "pixel values are beyond what a survey can record"),
        Flag(1024, "no_score", "the network answered with a number that is not finite"),
        Flag(2048, "saturated", "a core is cut off at one brightest value"),
        Flag(4096, "invented_light", "the cleaned image has light that the given one has not got"),
        Flag(8192, "not_cleaned", "the model reads cleaned images, and this is not said to be one"),
        Flag(16384, "nothing_left", "no light of a source stands out of the cleaned image"),
        Flag(32768, "already_cleaned", "the image is a cleaned one, and is to be cleaned again"),
    ),
)

SYSTEM_STATUS = FlagSet(
    "system status",
    (
        Flag(1, "bad_input", "the row itself carries a status that is not ok"),
        Flag(2, "missing_value", "a lens parameter is missing, NaN or infinite"),
        Flag(4, "bad_theta_E", "the Einstein radius is not positive"),
        Flag(8, "bad_ellipticity", "no ellipse has this axis ratio or ellipticity"),
        Flag(16, "bad_shear", "the external shear is not smaller than 1"),
        Flag(32, "bad_redshift", "the source is not behind the lens, or a redshift is missing"),
        Flag(64, "no_source", "there is no source position and no observed image"),
        Flag(128, "single_image", "the source has one image only"),
        Flag(256, "no_posterior", "too few draws of the posterior are possible lenses"),
        Flag(512, "count_differs", "truth and prediction give different numbers of images"),
        Flag(1024, "no_partner", "the other table has no row of this id"),
        Flag(2048, "bad_slope", "the slope of the mass is not between 1 and 3"),
        Flag(4096, "not_an_image", "the lens makes no image near an observed position"),
    ),
)

FIT_STATUS = FlagSet(
    "fit status",
    (
        Flag(1, "unreadable", "the file cannot be read"),
        Flag(2, "bad_input", "image, noise, PSF or mask cannot be fitted"),
        Flag(4, "no_arc", "no arc stands out of the noise"),
        Flag(8, "no_prior", "the table of priors has no usable row of this id"),
        Flag(16, "no_model", "no mass model within the priors can be inverted"),
        Flag(32, "not_settled", "the search ended before it had settled on the maximum"),
        Flag(64, "no_errors", "the evidence does not fall in every direction: no errors"),
        Flag(128, "prior_edge", "the best model lies in the outermost 0.3 % of a prior"),
        Flag(256, "strength_at_limit", "the data do not tell how smooth the source is"),
        Flag(512, "poor_fit", "chi^2 per degree of freedom exceeds 1.3"),
        Flag(1024, "negative_light", "the fitted lens light is negative over a wide area"),
        Flag(2048, "light_off_centre", "no lens light was found near the middle of the image"),
        Flag(4096, "faint_light", "the arcs outshine the lens, whose light they may have spoilt"),
        Flag(8192, "rival", "another Einstein radius explains the image about as well"),
        Flag(16384, "faint_arcs", "no source at all explains the image nearly as well"),
    ),
)

FRONT_STATUS = FlagSet(
    "front-end status",
    (
        Flag(1, "no_blob", "no source was found in the middle, so nothing was masked"),
        Flag(2, "arc_cut", "light goes on beyond the mask, as that of an arc it misses would"),
        Flag(4, "more_sources", "the mask holds more than one source: arcs, or neighbours"),
        Flag(8, "scales_disagree", "a lens at one scale, and none at the other"),
        Flag(16, "unlike_training", "the code of the image is rarer than all but 1 in 1,000"),
        Flag(32, "no_second_look", "the enlarged centre got no answer: that of the stamp stands"),
    ),
)
