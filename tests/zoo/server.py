"""A file server that misbehaves on request: right, truncated, corrupt, slow, redirecting, missing."""
from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What happened: the address of the server, and for each request its path and Range header."""

    base: str
    requests: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def serve(data: bytes) -> Iterator[Served]:
    """Serves `data` under these paths: right, norange, truncated, once (breaks the first time), flaky, corrupt, slow, slowonce (slow
    the first time), redirect, hop, loop, nolength, error; anything else is missing."""
    log = Served("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802
            kind = self.path.strip("/").split("/")[0]
            asked = self.headers.get("Range", "")
            log.requests.append((kind, asked))
            seen = sum(k == kind for k, _ in log.requests)
            self.close_connection = True
            if kind in ("redirect", "hop", "loop"):
                to = {"redirect": "/hop/file", "hop": "/right/file", "loop": "/loop/file"}[kind]
                self._head(302, {"Location": to, "Content-Length": "0"})
                return
            if kind not in ("right", "norange", "truncated", "once", "flaky", "corrupt", "slow", "slowonce", "nolength", "error"):
                self._head(404, {"Content-Length": "0"})
                return
            if kind == "error":
                self._head(503, {"Content-Length": "0"})
                return
            body = bytes([data[0] ^ 255]) + data[1:] if kind == "corrupt" else data
            start = int(m[1]) if kind not in ("norange", "truncated") and (m := re.match(r"bytes=(\d+)-", asked)) else 0
            if start >= len(body):
                self._head(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
                return
            rest = body[start:]
            headers = {} if kind == "nolength" else {"Content-Length": str(len(rest))}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self._head(206 if start else 200, headers)
            if kind == "truncated" or (kind == "once" and seen == 1):
                rest = rest[: len(body) // 3]
            if kind == "flaky":
                rest = rest[: max(1, len(body) // 5)]
            try:
                if kind == "slow" or (kind == "slowonce" and seen == 1):
                    for k in range(0, len(rest), 4096):
                        self.wfile.write(rest[k:k + 4096])
                        self.wfile.flush()
                        time.sleep(0.02)
                else:
                    self.wfile.write(rest)
            except (BrokenPipeError, ConnectionResetError):
                pass

        def _head(self, code: int, headers: dict[str, str]) -> None:
            self.send_response(code)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Connection", "close")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    log.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield log
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
