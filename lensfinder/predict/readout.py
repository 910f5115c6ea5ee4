"""A modeller's answers as numbers of a table: values, and what their posteriors say of them."""

from dataclasses import dataclass, field, replace

import numpy as np

from lensfinder.posterior import Posterior, has_posterior, spread_names
from lensfinder.predict.network import SEEN, Answers, Network
from lensfinder.zoo.calibration import sigmoid
from lensfinder.zoo.doubt import Doubt

NO_LENS = "p_no_lens"


@dataclass(frozen=True)
class Limits:
    """Beyond which answers of a modeller are marked as unsure.

    Attributes
    ----------
    std : dict of str to float
        Standard deviation of each target that one validation lens in a hundred exceeds.
    doubt : Doubt or None
        What tells images of no lens.
    """

    std: dict[str, float] = field(default_factory=dict)
    doubt: Doubt | None = None

    def __bool__(self):
        return bool(self.std)

    def passed(self, columns) -> list[tuple[str, np.ndarray]]:
        """What answers are beyond, in words, and which.

        Parameters
        ----------
        columns : dict of str to array (N,)
            Targets, their spreads, and with a doubt ``p_no_lens``.

        Returns
        -------
        list of (str, array of bool (N,))
            One entry per target, and one for the doubt.
        """
        found = [
            (
                f"the spread of {name} is larger than for 99 of 100 lenses of the validation",
                columns[f"{name}_std"] > limit,
            )
            for name, limit in self.std.items()
        ]
        if self.doubt is not None:
            words = "the modeller takes the image for no lens, as it does 1 lens in 20"
            found.append((words, columns[NO_LENS] > sigmoid(self.doubt.limit)))
        return found


class Readout:
    """Turns the answers of a modeller into columns of numbers, batch by batch.

    A posterior of 24 Gaussians is 243 numbers per lens, a table of it 23: what is not needed is let
    go before a survey's worth of it has gathered.

    Parameters
    ----------
    network : Network, Ensemble or Chain
        The modeller.

    Attributes
    ----------
    names : tuple of str
        Columns: the targets; after them, if the network has posteriors, their spreads; and
        ``p_no_lens``, if it was taught to doubt.
    limits : Limits
        Beyond which a row is marked; empty if the preset does not say.
    """

    def __init__(self, network: Network):
        self._targets = network.preset.targets
        self._unsure = has_posterior(np.empty((0, network.outputs)), self._targets)
        self._spreads = spread_names(self._targets) if self._unsure else ()
        calibration = network.calibration
        limits = () if calibration is None else calibration.limits
        self.limits = Limits(
            dict(zip(self._targets, limits, strict=False)), getattr(calibration, "doubt", None)
        )
        doubts = self.limits.doubt is not None and self._unsure
        self.names = (*self._targets, *self._spreads, *((NO_LENS,) if doubts else ()))

    def __call__(self, answers: Answers) -> Answers:
        """The same answers with one number per column.

        Parameters
        ----------
        answers : Answers
            Of the network.

        Returns
        -------
        Answers
            Their `values` are of shape (N, columns).
        """
        if not self._unsure:
            return answers
        spreads = Posterior.of(answers.values, self._targets).columns()
        values = answers.values[:, : len(self._targets)]
        columns = [spreads[name] for name in self._spreads]
        if NO_LENS in self.names:
            means = dict(zip(self._targets, values.T, strict=True))
            std = {name: spreads[f"{name}_std"] for name in self._targets}
            doubt = self.limits.doubt
            seen = answers.extra[SEEN] if doubt.of_features else 0.0
            columns.append(sigmoid(doubt.log_odds(means, std, seen)))
        return replace(answers, values=np.column_stack([values, *columns]).astype(np.float32))
