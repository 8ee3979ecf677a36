"""An endpoint that gives access tokens by client credentials; unsigned ones, as Kafka's unsecured validator takes them."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class TokenEndpoint:
    """On the loopback, for one client. `answers` are given first, in order: (status, body)."""

    def __init__(
        self, client_id: str = "driftline", secret: str = "s3cret:/ü", lifetime_s: float = 60
    ) -> None:
        self.client_id, self.secret, self.lifetime_s = client_id, secret, lifetime_s
        self.asked: list[dict[str, str]] = []
        self.answers: list[tuple[int, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def __enter__(self) -> Self:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, answer = endpoint._answer(
                    self.headers["Authorization"], dict(urllib.parse.parse_qsl(body))
                )
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", endpoint.url)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, authorization: str, form: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append(form)
        if self.answers:
            return self.answers.pop(0)
        kind, _, given = authorization.partition(" ")
        user, _, secret = base64.b64decode(given).decode().partition(":")
        known = (urllib.parse.unquote(user), urllib.parse.unquote(secret)) == (self.client_id, self.secret)
        if kind != "Basic" or not known or form.get("grant_type") != "client_credentials":
            return 401, json.dumps({"error": "invalid_client", "error_description": secret}).encode()
        now = time.time()
        claims = {
            "sub": self.client_id,
            "iat": now,
            "exp": now + self.lifetime_s,
            "scope": form.get("scope", ""),
        }
        parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
        token = ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])
        return 200, json.dumps({"access_token": token, "expires_in": self.lifetime_s}).encode()
