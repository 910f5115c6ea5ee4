"""What `find` and `model` share: images of any form to batches, to answers, to rows.

Everything streams: at most one batch of cutouts is held, however many there are.
"""

from lensfinder.predict.chain import Chain
from lensfinder.predict.cleaner import Cleaner
from lensfinder.predict.draws_file import DRAWS, DrawsFile
from lensfinder.predict.ensemble import Ensemble, modeller_of
from lensfinder.predict.fitting import Fitting
from lensfinder.predict.images import batches, cutouts_of
from lensfinder.predict.network import BATCH_SIZE, Answers, Network, Rows
from lensfinder.predict.own import OwnNetwork
from lensfinder.predict.posteriors import posterior_of
from lensfinder.predict.readout import Readout
from lensfinder.predict.run import Listener, Run, command_line, listeners, metadata, page_path

__all__ = [
    "BATCH_SIZE",
    "DRAWS",
    "Answers",
    "Chain",
    "Cleaner",
    "DrawsFile",
    "Ensemble",
    "Fitting",
    "Listener",
    "Network",
    "OwnNetwork",
    "Readout",
    "Rows",
    "Run",
    "batches",
    "command_line",
    "cutouts_of",
    "listeners",
    "metadata",
    "modeller_of",
    "page_path",
    "posterior_of",
]
