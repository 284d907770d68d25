"""A web server with a few pages, reachable by every address of this machine."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

FORM = """<!doctype html><title>Form</title><style>* {{ margin: 0 }}</style>
<input id="name" value="ann"><input id="password" type="password" value="hunter2">
<textarea id="notes">hunter3</textarea><input id="later" type="hidden" value="hunter4">
<button id="go" onclick="document.getElementById('late').hidden = false">Go</button>
<p id="late" hidden>Here   I
am</p><p id="never" hidden>Not seen</p>
<button id="ask" onclick="document.title = confirm('Sure?')">Ask</button>
<a id="away" href="http://127.0.0.2:{port}/form">Away</a>
<a id="gone" href="http://127.0.0.1:9/">Gone</a>
<img src="http://127.0.0.2:{port}/picture">"""


class Pages:
    """`hosts`: the Host headers of all requests so far."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pages.hosts.append(self.headers["Host"])
                status = {"/broken": 500, "/away": 302}.get(self.path, 200)
                self.send_response(status)
                self.send_header("Content-Type", "text/html")
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.2:{pages.port}/form")
                self.end_headers()
                self.wfile.write(FORM.format(port=pages.port).encode())

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
        self.port = self._server.server_port

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Pages:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
