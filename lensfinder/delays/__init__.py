"""Positions and delays: lens parameters in, one row per lensed image out.

`delays` finds every image of a source, its magnification, its order of arrival and its delay, with
the error bars that the posterior of the lens implies; `describe` says in words when and where the
next image appears. `compare_delays` is the procedure of Schuldt et al. (2021), section 6: what an
error of the lens parameters does to the images that follow the first.
"""

from lensfinder.delays.compare import compare_delays, summarise
from lensfinder.delays.run import delays
from lensfinder.delays.words import describe

__all__ = ["compare_delays", "delays", "describe", "summarise"]
