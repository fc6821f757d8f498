"""A tracking server on the loopback that speaks as much of MLflow's protocol as a run needs."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class FakeMlflow:
    """What a server was told."""

    uri: str = ""
    experiments: list[str] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)
    """As ``user:password``."""
    away: bool = False
    """Answer nothing but an error."""

    def run(self) -> dict[str, Any]:
        """The only one."""
        (run,) = self.runs.values()
        return run

    def metrics(self) -> dict[tuple[str, int], float]:
        """Of the only run, by name and step."""
        return {(metric["key"], metric.get("step", 0)): metric["value"] for metric in self.run()["metrics"]}

    def answer(self, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> dict[str, Any] | None:
        """To one request; None: there is no such thing."""
        kind = path.removeprefix("/api/2.0/mlflow/")
        if kind == "experiments/get-by-name":
            name = query["experiment_name"][0]
            return {"experiment": self._experiment(name)} if name in self.experiments else None
        if kind == "experiments/create":
            self.experiments.append(body["name"])
            return {"experiment_id": str(len(self.experiments) - 1)}
        if kind == "runs/create":
            identity = uuid.uuid4().hex  # MLflow keeps places of artifacts by it
            self.runs[identity] = {"name": body["run_name"], "metrics": [], "params": {}, "status": "RUNNING"}
            return {"run": self._described(identity)}
        if kind == "runs/get":
            return {"run": self._described(query["run_id"][0])} if query["run_id"][0] in self.runs else None
        run = self.runs[body["run_id"]]
        if kind == "runs/update":
            run["status"] = body.get("status", run["status"])
            return {"run_info": self._described(body["run_id"])["info"]}
        assert kind == "runs/log-batch", kind
        run["metrics"] += body.get("metrics", [])
        run["params"] |= {param["key"]: param["value"] for param in body.get("params", [])}
        return {}

    def _experiment(self, name: str) -> dict[str, Any]:
        return {"experiment_id": str(self.experiments.index(name)), "name": name, "lifecycle_stage": "active"}

    def _described(self, identity: str) -> dict[str, Any]:
        info = {
            "run_id": identity,
            "run_uuid": identity,
            "run_name": self.runs[identity]["name"],
            "experiment_id": "0",
            "user_id": "",
            "status": self.runs[identity]["status"],
            "start_time": 1,
            "lifecycle_stage": "active",
            "artifact_uri": f"mlflow-artifacts:/0/{identity}/artifacts",
        }
        return {"info": info, "data": {}}


def _handler(server: FakeMlflow) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        do_POST = do_GET

        def do_PUT(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            data = self.rfile.read(size) if size else self._chunks()
            server.artifacts[self.path.rpartition("/artifacts/")[2]] = data
            self._send(200, {})

        def _chunks(self) -> bytes:
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            return data

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind, _, secret = self.headers.get("Authorization", "").partition(" ")
            if kind == "Basic":
                server.users.add(base64.b64decode(secret).decode())
            parts = urlsplit(self.path)
            if server.away:
                self._send(400, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": f"away: {server.uri}"})
                return
            found = server.answer(parts.path, parse_qs(parts.query), json.loads(body or b"{}"))
            unknown = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "there is none"}
            self._send(404 if found is None else 200, unknown if found is None else found)

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            """Nothing is printed."""

    return Handler


@contextmanager
def serving() -> Iterator[FakeMlflow]:
    """A server while the block lasts."""
    server = FakeMlflow()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        server.uri = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
