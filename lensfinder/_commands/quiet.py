"""Keep what TensorFlow says about itself off the screen."""

import contextlib
import os
import sys
import tempfile

from lensfinder import paths


@contextlib.contextmanager
def quietly():
    """Hold back what TensorFlow's C++ code prints to stderr while it is imported.

    It logs before any setting is read, so the file descriptor itself is turned aside. Should the
    import fail, what was held back is shown.
    """
    paths.quiet_tensorflow()
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
