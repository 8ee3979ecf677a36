"""A small Schema Registry with Confluent's interface, on the loopback: subjects, versions, ids, GUIDs, references, faults."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

JSON = "application/vnd.schemaregistry.v1+json"


@dataclass
class Faults:
    """What is wrong with it at the moment."""

    status: int = 0
    """answered to everything, with a page that is no registry's; 0: nothing"""
    slow_s: float = 0.0
    hidden: set[int] = field(default_factory=set)
    """ids that a follower would not know yet"""


class SchemaRegistry:
    """Serves from `start` to `stop`, on the same port again after another `start`."""

    def __init__(
        self,
        *,
        user: str = "",
        password: str = "",
        token: str = "",
        path: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.faults = Faults()
        self.requests: list[str] = []
        self._authorizations = {
            f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else "",
            f"Bearer {token}" if token else "",
        } - {""}
        self._path = path
        self._tls = tls
        self._schemas: list[dict[str, Any]] = []
        self._subjects: dict[str, list[int]] = {}
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> SchemaRegistry:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}{self._path}"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def register(
        self, subject: str, text: str, kind: str = "AVRO", references: tuple[tuple[str, str, int], ...] = ()
    ) -> int:
        """The schema's id; the same for the same schema, under whatever subject. references: name, subject, version."""
        schema: dict[str, Any] = {"schema": text}
        if kind != "AVRO":
            schema["schemaType"] = kind  # left out of Avro's, as registries do
        if references:
            named = (dict(zip(("name", "subject", "version"), each, strict=True)) for each in references)
            schema["references"] = list(named)
        if schema not in self._schemas:
            self._schemas.append(schema)
        found = self._schemas.index(schema) + 1
        versions = self._subjects.setdefault(subject, [])
        if found not in versions:
            versions.append(found)
        return found

    def guid(self, schema_id: int) -> UUID:
        content = json.dumps(self._schemas[schema_id - 1], sort_keys=True)
        return UUID(bytes=hashlib.md5(content.encode(), usedforsecurity=False).digest())

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any] | list[str]]:
        if not path.startswith(f"{self._path}/"):
            return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}
        parts = [unquote(part) for part in urlsplit(path).path.removeprefix(self._path).strip("/").split("/")]
        match method, parts:
            case "GET", ["schemas", "types"]:
                return 200, ["JSON", "PROTOBUF", "AVRO"]
            case "GET", ["schemas", "ids", number]:
                return self._schema(int(number))
            case "GET", ["schemas", "guids", guid]:
                ids = [n + 1 for n in range(len(self._schemas)) if str(self.guid(n + 1)) == guid]
                return self._schema(ids[0] if ids else 0)
            case "GET", ["subjects", subject, "versions", version]:
                versions = self._subjects.get(subject)
                if versions is None:
                    return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
                if not 0 < int(version) <= len(versions):
                    return 404, {"error_code": 40402, "message": "Version not found."}
                found = versions[int(version) - 1]
                return 200, {
                    "subject": subject,
                    "version": int(version),
                    "id": found,
                    **self._schemas[found - 1],
                }
            case "POST", ["subjects", subject, "versions"]:
                sent = json.loads(body)
                named = tuple((r["name"], r["subject"], r["version"]) for r in sent.get("references", ()))
                return 200, {
                    "id": self.register(subject, sent["schema"], sent.get("schemaType", "AVRO"), named)
                }
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _schema(self, number: int) -> tuple[int, dict[str, Any]]:
        if not 0 < number <= len(self._schemas) or number in self.faults.hidden:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, {**self._schemas[number - 1], "guid": str(self.guid(number))}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, body: bytes) -> None:
                registry.requests.append(self.path)
                time.sleep(registry.faults.slow_s)
                known = registry._authorizations
                if registry.faults.status:
                    self._send(registry.faults.status, b"<html>an error page</html>")
                elif known and self.headers.get("Authorization") not in known:
                    self._send(401, b'{"error_code":401,"message":"Unauthorized"}')
                else:
                    status, content = registry.answer(self.command, self.path, body)
                    self._send(status, json.dumps(content).encode())

            def _send(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", JSON)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
