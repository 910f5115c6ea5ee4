"""A modeller's answers as numbers of a table: values, and what their posteriors say of them."""

from dataclasses import replace

import numpy as np

from lensfinder.posterior import Posterior, has_posterior, spread_names
from lensfinder.predict.network import Answers, Network


class Readout:
    """Turns the answers of a modeller into columns of numbers, batch by batch.

    A posterior of 24 Gaussians is 243 numbers per lens, a table of it 23: what is not needed is let
    go before a survey's worth of it has gathered.

    Parameters
    ----------
    network : Network
        The modeller.

    Attributes
    ----------
    names : tuple of str
        Columns: the targets; after them, if the network has posteriors, their spreads.
    limits : dict of str to float
        Standard deviation of each target that one validation lens in a hundred exceeds; empty if
        the preset does not say.
    """

    def __init__(self, network: Network):
        self._targets = network.preset.targets
        width = network.keras_model.output_shape[-1]
        self._unsure = has_posterior(np.empty((0, width)), self._targets)
        self.names = (*self._targets, *(spread_names(self._targets) if self._unsure else ()))
        calibration = network.preset.config.calibration
        limits = () if calibration is None else calibration.limits
        self.limits = dict(zip(self._targets, limits, strict=False))

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
        columns = [spreads[name] for name in self.names[len(self._targets) :]]
        return replace(answers, values=np.column_stack([values, *columns]).astype(np.float32))
