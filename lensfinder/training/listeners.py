"""Who is told how a training gets on: nobody, a terminal with progress bars, or a plain log."""

import sys


class Listener:
    """Hooks of `train`; this one ignores them all."""

    def begin(self, epochs: int, steps: int) -> None:
        """A training of so many epochs of so many steps begins or goes on."""

    def step(self, epoch: int, step: int, loss: float) -> None:
        """`step` steps of `epoch` are done; `loss` is the mean over them."""

    def epoch(self, history: list[dict]) -> None:
        """An epoch is done; the last entry of `history` is about it."""

    def say(self, text: str) -> None:
        """Anything worth a line."""

    def end(self) -> None:
        """The training stops, for whatever reason."""


class PrintListener(Listener):
    """One line per event, for logs and pipes."""

    def say(self, text):
        print(text, flush=True)


class RichListener(Listener):
    """A bar for the steps of the epoch and one for the epochs, with time left and losses."""

    def __init__(self):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeLeft(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )

    def begin(self, epochs, steps):
        self._epochs = self._bars.add_task("epochs", total=epochs, note="")
        self._steps = self._bars.add_task("steps", total=steps, note="")
        self._bars.start()

    def step(self, epoch, step, loss):
        self._bars.update(self._epochs, completed=epoch)
        self._bars.update(self._steps, completed=step, note=f"loss {loss:.4g}")

    def epoch(self, history):
        last = history[-1]
        note = f"validation loss {last['val_loss']:.4g}" if "val_loss" in last else ""
        self._bars.update(self._epochs, completed=last["epoch"], note=note)

    def say(self, text):
        self._bars.console.print(text, highlight=False, markup=False)

    def end(self):
        self._bars.stop()


def default_listener() -> Listener:
    """Progress bars in a terminal, silence elsewhere.

    Returns
    -------
    Listener
        The listener.
    """
    return RichListener() if sys.stderr.isatty() else Listener()
