"""A running count on stderr while a verb goes through images."""


class Counter:
    """A listener that counts images, for people only: silent where stderr is no terminal."""

    unit = "images"

    def __enter__(self):
        from rich.console import Console

        self._status, self._done = Console(stderr=True).status("starting"), 0
        return self

    def __exit__(self, *error):
        self._status.stop()

    def _begin(self, words):
        self._words = words
        if self._status.console.is_terminal:
            self._status.start()

    def _count(self, images):
        self._done += images
        self._status.update(f"{self._words}: {self._done:,} {self.unit}")

    def finish(self, table):
        """The table is complete; the count ends with the ``with`` block."""


class RunCounter(Counter):
    """Follows `find` and `model`."""

    def start(self, run):
        self._begin(run.network.preset.name)

    def batch(self, first_row, cutouts, answers):
        self._count(len(cutouts))


class AuditCounter(Counter):
    """Follows `audit`: counts fits."""

    unit = "fits"

    def start(self, classifier, places):
        self._begin(f"audit by {classifier.name}")

    def fitted(self, row, identity, record, fit, images):
        self._count(1)

    def audited(self, row, identity, history, message):
        """A lens is done; its fits have been counted."""


class ExplainCounter(Counter):
    """Follows `explain`."""

    def start(self, network, method):
        self._begin(f"{method} of {network.preset.name}")

    def explained(self, row, cutout, images, p_lens, explanation):
        self._count(1)


class FitCounter(Counter):
    """Follows `fit`: the lens, and its best residual so far."""

    def __enter__(self):
        super().__enter__()
        self._begin("fitting")
        return self

    def progress(self, name, progress):
        self._status.update(
            f"{name}: {progress.stage}, {progress.evaluations:,} models, chi2 per pixel "
            f"{progress.chi2_per_pixel:.3g}, theta_E {progress.mass.theta_E:.3f}"
        )

    def fitted(self, fitted):
        self._count(1)
