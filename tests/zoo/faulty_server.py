"""A web server on this machine that fails in every way a mirror can."""

import contextlib
import gzip
import hashlib
import http.server
import threading
import time

import numpy as np

CONTENT = np.random.default_rng(5).bytes(60_000)  # several blocks, not compressible
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()

BOMB = gzip.compress(bytes(30_000_000))  # 30 kB


class FaultyServer(http.server.ThreadingHTTPServer):
    """Serves ``/<state>/<path>``: the files of `files`, in the way that the state says.

    `asked` holds the states in the order of the requests.
    """

    daemon_threads = True

    def __init__(self, files=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {"file.bin": CONTENT} if files is None else files
        self.asked, self.released, self.pause = [], threading.Event(), 0.05

    def handle_error(self, request, address):
        """A client that hung up is what the tests are about."""

    def url(self, state):
        """URL of a mirror in some state."""
        return f"http://127.0.0.1:{self.server_port}/{state}"


@contextlib.contextmanager
def serve(files=None):
    """A server that runs."""
    with FaultyServer(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()  # whoever hangs goes on
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        """Silence."""

    def do_GET(self):
        state, _, path = self.path.removeprefix("/").partition("/")
        state = state.split("~")[0]  # "404~2": the third mirror, to tell it from the others
        self.server.asked.append(state)
        content = self.server.files.get(path)
        if content is None:
            return self._answer(404, b"")
        if state.isdigit():
            return self._answer(int(state), b"no", {"Retry-After": "3600"})
        if state.startswith("cut"):
            share = float(state[3:]) / 100
            return self._answer(200, content[: int(share * len(content))], length=len(content))
        return getattr(self, f"do_{state.replace('-', '_')}")(content, path)

    def _answer(self, code, body, headers=(), length=None):
        self.send_response(code)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def _wait(self, seconds):
        return self.server.released.wait(seconds)

    def do_up(self, content, path):
        self._answer(200, content)

    def do_wrong(self, content, path):
        self._answer(200, bytes(len(content)))

    def do_html(self, content, path):
        self._answer(200, b"<html>Please log in</html>")

    def do_redirect(self, content, path):
        self._answer(302, b"", {"Location": self.server.url("up") + "/" + path})

    def do_redirect_file(self, content, path):
        self._answer(302, b"", {"Location": "file:///etc/hostname"})

    def do_redirect_ftp(self, content, path):
        self._answer(302, b"", {"Location": "ftp://127.0.0.1/file.bin"})

    def do_redirect_loop(self, content, path):
        self._answer(302, b"", {"Location": self.path})

    def do_hang(self, content, path):
        self._wait(60)

    def do_loris(self, content, path):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for at in range(50):
            self.wfile.write(content[at : at + 1])
            if self._wait(0.1):
                return

    def do_loris_header(self, content, path):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(50):
            self.wfile.write(b"x")
            if self._wait(0.1):
                return

    def do_slow(self, content, path):
        """Slow but alive: a block at a time."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for at in range(0, len(content), 8192):
            self.wfile.write(content[at : at + 8192])
            time.sleep(self.server.pause)

    def do_long(self, content, path):
        self._answer(200, content + b"more")

    def do_short_length(self, content, path):
        self._answer(200, content, length=len(content) - 10)

    def do_endless(self, content, path):
        self.send_response(200)
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(content)

    def do_gzip(self, content, path):
        self._answer(200, gzip.compress(content), {"Content-Encoding": "gzip"})

    def do_gzip_bomb(self, content, path):
        self._answer(200, BOMB, {"Content-Encoding": "gzip"})

    def do_not_gzip(self, content, path):
        self._answer(200, content, {"Content-Encoding": "gzip"})

    def do_garbage(self, content, path):
        self.wfile.write(content[:500])
        self.close_connection = True

    def do_nothing(self, content, path):
        self.close_connection = True


DELIVERS = ("up", "redirect", "gzip", "slow")
FAILS = (
    *("cut0", "cut1", "cut50", "cut99", "wrong", "html", "403", "404", "429", "500", "503"),
    *("redirect-file", "redirect-ftp", "redirect-loop", "loris", "loris-header", "hang", "long"),
    *("short-length", "endless", "gzip-bomb", "not-gzip", "garbage", "nothing"),
)
