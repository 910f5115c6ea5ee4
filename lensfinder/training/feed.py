"""Making the next batches while the network trains on this one; the order never changes.

``workers=0`` makes each batch when it is asked for. ``workers=1`` lets one thread run ahead (the
compiled steps of every backend release Python's lock). More workers are processes, for machines
whose GPU trains while their cores simulate; they are spawned, never forked, and see no GPU.
"""

import contextlib
import itertools
import multiprocessing
import queue
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor

from lensfinder.paths import one_cpu_process

AHEAD = 4  # batches in waiting: enough to ride out a slow one, little memory (RELIABILITY C9)
_END = object()


@contextlib.contextmanager
def feed(source, epoch: int, first: int, last: int, *, workers: int = 1, pool=None):
    """Iterate over the batches of an epoch, made ahead of time.

    Parameters
    ----------
    source : Source
        Where batches come from.
    epoch, first, last : int
        Which batches; `last` is excluded.
    workers : int
        0: none; 1: a thread; more: processes of `pool`, for sources that can ``make`` any batch.
    pool : WorkerPool or None
        Processes, when `workers` is above 1.

    Yields
    ------
    iterator of Batch
        In order. An exception in a worker is raised here. Leaving the context stops the workers.
    """
    if pool is not None:
        yield pool.batches(source, epoch, first, last)
    elif workers == 0:
        yield source.batches(epoch, first, last)
    else:
        with _thread_ahead(source.batches(epoch, first, last)) as batches:
            yield batches


@contextlib.contextmanager
def _thread_ahead(iterator):
    waiting = queue.Queue(maxsize=AHEAD)
    stop = threading.Event()

    def put(item):
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(item, timeout=0.2)
                return

    def run():
        try:
            for batch in iterator:
                if stop.is_set():
                    return
                put(batch)
            put(_END)
        except BaseException as error:  # raised again in the training thread
            put(error)

    def received():
        while True:
            item = waiting.get()
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=run, name="lensfinder-feed", daemon=True)
    thread.start()
    try:
        yield received()
    finally:
        stop.set()
        thread.join()


class WorkerPool:
    """Processes that simulate batches; each builds its own simulator once.

    Parameters
    ----------
    workers : int
        Number of processes.
    """

    def __init__(self, workers: int):
        self.workers = workers
        self._executor = ProcessPoolExecutor(
            workers, mp_context=multiprocessing.get_context("spawn"), initializer=one_cpu_process
        )

    def batches(self, source, epoch, first, last):
        """Batches of a source in order; at most two tasks per worker are in the making.

        A task is `source.steps_per_task` batches, so that what the simulator makes as one block is
        not made again by the next worker.

        Parameters
        ----------
        source : SimulatorSource
            Pickled into the workers.
        epoch, first, last : int
            Which batches.

        Yields
        ------
        Batch
            In order.
        """
        offset = epoch * source.steps_per_epoch
        tasks = _tasks(offset + first, offset + last, source.steps_per_task)
        window = deque()
        for task in itertools.islice(tasks, 2 * self.workers):
            window.append(self._executor.submit(_make, source, task))
        while window:
            done = window.popleft().result()
            for task in itertools.islice(tasks, 1):
                window.append(self._executor.submit(_make, source, task))
            yield from done

    def close(self):
        """Stop the processes."""
        self._executor.shutdown(wait=True, cancel_futures=True)


_RECENT = []  # of a worker process: its source, whose simulator is compiled once


def _tasks(first, last, size):
    """Steps `first` to `last`, cut at the multiples of `size`."""
    while first < last:
        end = min(last, (first // size + 1) * size)
        yield range(first, end)
        first = end


def _make(source, steps):
    if not _RECENT or _RECENT[0] != source:
        _RECENT[:] = [source]
    return [_RECENT[0].make(_RECENT[0].simulator, step) for step in steps]
