"""What makes a network's answers honest: what a preset says about it in its ``config.json``.

A finder's calibration is a strictly increasing function of the logit, so it changes no ranking; a
modeller's, a factor on the spread of each target, which changes no mean. It is part of the model:
`Preset.load` puts it behind the head as the layer `LogitMap` or `SpreadScale`.
"""

from typing import Annotated, ClassVar, Literal

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from lensfinder.errors import ArgumentError, PresetError
from lensfinder.zoo.decoder import Decoder, with_draws
from lensfinder.zoo.doubt import Doubt
from lensfinder.zoo.layers.logit_map import LOWEST, NEAREST, LogitMap
from lensfinder.zoo.layers.posterior_head import outputs_of
from lensfinder.zoo.layers.spread_scale import SpreadScale
from lensfinder.zoo.spread_slopes import LARGEST, CalibratedOn, Slopes

LAYER = "calibration"
# of either class, to fit a temperature and a bias on: ten of the rarer one for each parameter, as
# is usual in logistic regression (Peduzzi et al. 1996)
LEAST_OF_EACH = 20
MAX_KNOTS = 512  # PAV of 100,000 objects gives about 150
MAX_LOGIT = 100.0
MIN_STEP = 1e-4  # between knots: float32 near the lowest logit, -69, resolves 8e-6


class _Calibration(BaseModel):
    """What every calibration of a finder says.

    Attributes
    ----------
    prevalence : float
        Fraction of lenses in the sample it was fitted on: what its probabilities hold for.
    objects : int
        Size of that sample.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    task: ClassVar[str] = "finder"
    prevalence: float = Field(gt=0, lt=1)
    objects: int = Field(ge=2)

    def apply(self, score) -> np.ndarray:
        """Calibrated probabilities of scores; what the layer does, in float64.

        Parameters
        ----------
        score : array (...)
            Output of the uncalibrated network, 0 to 1.

        Returns
        -------
        array (...)
            Probabilities.
        """
        at, to, (left, right) = self.line()
        x = logit(score)
        y = np.interp(x, at, to)
        y += left * np.minimum(x - at[0], 0) + right * np.maximum(x - at[-1], 0)
        return sigmoid(y)

    def layer(self) -> LogitMap:
        """The Keras layer that does it.

        Returns
        -------
        LogitMap
            Without weights.
        """
        at, to, slopes = self.line()
        return LogitMap(at, to, slopes=slopes, name=LAYER, dtype="float32")


class Temperature(_Calibration):
    """Temperature scaling with a bias: logit / temperature + bias (Platt 1999; Guo et al. 2017).

    A temperature of 1 and a bias of 0 leave scores as they are. A preset says so of a network
    whose scores no calibration made better: they are probabilities for its `prevalence`.

    Attributes
    ----------
    temperature : float
        Above 1 for a network that is too sure of itself.
    bias : float
        Shift of the logit.
    """

    kind: Literal["temperature"] = "temperature"
    temperature: float = Field(gt=1e-3, lt=1e3)
    bias: float = Field(ge=-100, le=100)

    @property
    def unchanged(self) -> bool:
        """Whether it leaves scores as they are."""
        return self.temperature == 1 and self.bias == 0

    def line(self):
        """Knots of the map of logits, its values there, and its slopes outside."""
        return (0.0,), (self.bias,), (1 / self.temperature, 1 / self.temperature)


class Isotonic(_Calibration):
    """Isotonic regression through the centres of its blocks, linear in the logit between them.

    The steps of plain isotonic regression would give many objects one probability and so destroy
    the ranking; the centred form rises everywhere (Oron & Flournoy 2017). Beyond the outermost
    blocks the logit is shifted.

    Attributes
    ----------
    logits, values : tuple of float
        Logit of the score, and of the probability, at each block; both strictly increasing.
    """

    kind: Literal["isotonic"] = "isotonic"
    logits: tuple[float, ...] = Field(min_length=1, max_length=MAX_KNOTS)
    values: tuple[float, ...] = Field(min_length=1, max_length=MAX_KNOTS)

    @model_validator(mode="after")
    def _rises(self):
        if len(self.logits) != len(self.values):
            raise ValueError("logits and values must pair up")
        if np.abs([*self.logits, *self.values]).max() > MAX_LOGIT:
            raise ValueError(f"logits and values must lie within {MAX_LOGIT:g}")
        if (np.diff(self.logits) < MIN_STEP).any() or (np.diff(self.values) <= 0).any():
            raise ValueError(f"values must rise, and logits by {MIN_STEP:g} at least")
        return self

    def line(self):
        """Knots of the map of logits, its values there, and its slopes outside."""
        return self.logits, self.values, (1.0, 1.0)


class Spread(BaseModel):
    """A factor on the spread of each target of a modeller.

    Attributes
    ----------
    scales : tuple of float
        Factors, in the order of the targets; above 1 for a network that is too sure of itself.
    slopes : Slopes or None
        How the factors go with the answer; None for constants.
    limits : tuple of float
        Standard deviation of each target, in its unit, that one lens in a hundred of the sample's
        first population exceeds: beyond it an image is unlike these, or too poor to be modelled.
    objects : int
        Size of the sample that it was fitted on.
    calibrated_on : tuple of CalibratedOn
        What that sample was; empty if it was the validation objects alone.
    doubt : Doubt or None
        What tells answers to images of no lens, if it was fitted (`lensfinder.training.doubt`).
    decoder : Decoder or None
        For a network whose answer is the middle of a Gaussian of fixed width: what makes a
        posterior of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    task: ClassVar[str] = "modeller"
    kind: Literal["spread"] = "spread"
    scales: tuple[Annotated[float, Field(ge=0.01, le=100)], ...] = Field(
        min_length=1, max_length=64
    )
    limits: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1, max_length=64)
    objects: int = Field(ge=2)
    slopes: Slopes | None = None
    calibrated_on: tuple[CalibratedOn, ...] = Field(default=(), max_length=64)
    doubt: Doubt | None = None
    decoder: Decoder | None = None

    @model_serializer(mode="wrap")
    def _plain(self, handler):  # presets that have none are written as they always were
        optional = ("slopes", "calibrated_on", "doubt", "decoder")
        return {k: v for k, v in handler(self).items() if k not in optional or v}

    @model_validator(mode="after")
    def _pairs(self):
        if len(self.scales) != len(self.limits):
            raise ValueError("scales and limits must pair up")
        if self.decoder is not None and len(self.decoder.noise) != len(self.scales):
            raise ValueError("scales and the decoder's noise must pair up")
        if self.slopes is not None:
            if len(self.slopes.weights) != len(self.scales):
                raise ValueError("scales and slopes must pair up")
            if (np.abs(np.log(self.scales)) + self.slopes.largest()).max() > np.log(LARGEST):
                raise ValueError(f"no factor may be beyond {LARGEST:g} or its inverse")
        return self

    def factors(self, mean, std) -> np.ndarray:
        """What the spreads of answers are multiplied with; what the layer does, in float64.

        Parameters
        ----------
        mean, std : array (N, P)
            Of the posteriors without calibration, in the targets' units.

        Returns
        -------
        array (P,) or (N, P)
            Factors, for `lensfinder.posterior.Posterior.stretched`; one for each lens if they go
            with the answer.
        """
        if self.slopes is None:
            return np.array(self.scales)
        return np.array(self.scales) * np.exp(self.slopes.log_factors(mean, std))

    def layer(self) -> SpreadScale:
        """The Keras layer that does it.

        Returns
        -------
        SpreadScale
            Without weights.
        """
        found = self.slopes
        tilt = () if found is None else (found.weights, found.pivots, found.ranges, found.shape)
        return SpreadScale(self.scales, *tilt, name=LAYER, dtype="float32")


Calibration = Annotated[Temperature | Isotonic | Spread, Field(discriminator="kind")]


def with_calibration(model, calibration) -> keras.Model:
    """The same network with calibrated probabilities or spreads.

    Parameters
    ----------
    model : keras.Model
        A network of the zoo; it is not changed, its variables are shared.
    calibration : Temperature, Isotonic or Spread
        What to put behind its head.

    Returns
    -------
    keras.Model
        With the same inputs and the same weights.

    Raises
    ------
    PresetError
        If the model is calibrated already, or does not end in what can be calibrated.
    """
    if any(isinstance(layer, LogitMap | SpreadScale) for layer in model.layers):
        raise PresetError("The model is calibrated already. Load it with calibrated=False first.")
    if getattr(calibration, "decoder", None) is not None:
        model = with_draws(model, calibration.decoder)
    width = model.outputs[0].shape[-1]
    if calibration.task == "finder" and (len(model.outputs) != 1 or width != 1):
        raise PresetError("Only a finder, which ends in one probability, can be calibrated.")
    if calibration.task == "modeller":
        count = len(calibration.scales)
        each = outputs_of(count, 1) - count
        if width <= count or (width - count) % each:
            raise PresetError(
                f"Spreads of {count} targets cannot be calibrated of a network with {width} "
                "outputs. Take a modeller with a posterior (components: 1, or more)."
            )
    inputs = {tensor.name: tensor for tensor in model.inputs}
    return keras.Model(inputs, calibration.layer()(model.outputs[0]), name=model.name)


def at_prevalence(probability, *, trained: float, wanted: float) -> np.ndarray:
    """Posterior for a survey in which lenses are rarer than in the sample of the calibration.

    Bayes' theorem with another prior: the odds change by the ratio of the prior odds (Saerens,
    Latinne & Decaestecker 2002, eq. 2.4). It holds if lenses look like the mocks' lenses and
    non-lenses like the mocks' non-lenses; only how many there are of each may differ.

    Parameters
    ----------
    probability : array (...)
        Calibrated probabilities; NaN stays NaN.
    trained, wanted : float
        Lenses per object where the probabilities are calibrated, and where they are asked for.

    Returns
    -------
    array (...)
        Probabilities, float64; the order of objects is the same.

    Raises
    ------
    ArgumentError
        If a prevalence is not between 0 and 1.
    """
    for name, value in (("trained", trained), ("wanted", wanted)):
        if not 0 < value < 1:
            raise ArgumentError(
                f"A prevalence lies between 0 and 1, e.g. 0.001 for one lens in a thousand. "
                f"Received: {name}={value}."
            )
    p = np.asarray(probability, np.float64)
    ratio = wanted * (1 - trained) / (trained * (1 - wanted))
    return ratio * p / (ratio * p + (1 - p))


def logit(score) -> np.ndarray:
    """Logarithm of the odds; scores of exactly 0 and 1 count as beyond all others of float32.

    Parameters
    ----------
    score : array (...)
        Probabilities.

    Returns
    -------
    array (...)
        Between -69 and 17.3.
    """
    p = np.asarray(score, np.float64)
    return np.log(np.maximum(p, LOWEST)) - np.log(np.maximum(1 - p, NEAREST))


def sigmoid(x) -> np.ndarray:
    """Inverse of `logit`.

    Parameters
    ----------
    x : array (...)
        Logarithm of the odds.

    Returns
    -------
    array (...)
        Probabilities.
    """
    from scipy.special import expit

    return expit(x)
