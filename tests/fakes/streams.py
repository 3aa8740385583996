"""A small HTTP server that streams a film, and can fall silent in the middle without hanging up."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FilmServer:
    """Serves `film` at `address`; after `silent_after` bytes it says nothing more, until `close()`."""

    def __init__(self, film: Path, *, silent_after: int | None = None) -> None:
        self.requests = 0
        self._film, self._silent_after = film, silent_after
        self._released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                data = outer._film.read_bytes()
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                limit = len(data) if outer._silent_after is None else outer._silent_after
                try:
                    self.wfile.write(data[:limit])
                    self.wfile.flush()
                    if outer._silent_after is not None:
                        outer._released.wait(60)
                except ConnectionError:
                    return

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/film.ts"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
