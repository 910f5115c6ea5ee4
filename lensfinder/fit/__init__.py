"""Fit the mass of lenses by reconstructing their sources: a number with an error per parameter.

``fit`` takes images and makes a table and a page; ``fit_lens`` fits one lens given as arrays.
"""

from lensfinder.fit.rows import Fitted
from lensfinder.fit.run import FitWatcher, fit
from lensfinder.inversion.one_lens import fit_lens

__all__ = ["FitWatcher", "Fitted", "fit", "fit_lens"]
