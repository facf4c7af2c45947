"""A Weights & Biases on the loopback: enough of its HTTP for the real client to send runs. It keeps all data."""

import gzip
import json
from http.server import BaseHTTPRequestHandler

from support.loopback import served

ARTIFACT = {"artifact": {"id": "a", "state": "COMMITTED", "artifactSequence": {"latestArtifact": {"id": "a"}}}}


class Wandb:
    """Rows of history by the run's id and their index; ``status`` is the status of every response."""

    def __init__(self, status=200):
        self.status, self.history, self.bodies, self.keys = status, {}, [], set()

    def serving(self):
        """Serve in a thread; yields the address for ``WANDB_BASE_URL``."""
        # The client closes its connections without notice at the end.
        return served(_Handler, handle_error=lambda *_: None, wandb=self)

    def answer(self, query, given):
        """The response to a GraphQL query."""
        name = given.get("name")
        if "upsertBucket" in query:
            self.history.setdefault(name, {})
            project = {"id": "p", "name": given.get("project"), "entity": {"id": "e", "name": "me"}}
            bucket = {"id": name, "name": name, "displayName": name, "config": "{}", "historyLineCount": 0}
            return {"upsertBucket": {"bucket": {**bucket, "project": project}, "inserted": True}}
        if "createArtifact(" in query:
            return {"createArtifact": ARTIFACT}
        if "createRunFiles" in query:
            files = [{"name": file, "uploadUrl": f"{given['address']}/up/{file}"} for file in given["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if "RunResumeStatus" in query:
            return {"model": self._resumable(name)}
        return {"viewer": {"id": "1", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}

    def _resumable(self, name):
        rows = self.history.get(name)
        if not rows:
            return None
        bucket = {"id": name, "name": name, "displayName": name, "summaryMetrics": "{}", "config": "{}", "tags": []}
        counts = {"historyLineCount": len(rows), "eventsLineCount": 0, "logLineCount": 0, "eventsTail": "[]"}
        tail = {"historyTail": json.dumps([json.dumps(rows[max(rows)])]), "wandbConfig": json.dumps({"t": 1})}
        entity = {"id": "e", "name": "me"}
        return {"id": "p", "name": "feyntune", "entity": entity, "bucket": {**bucket, **counts, **tail}}


class _Handler(BaseHTTPRequestHandler):
    wandb: Wandb
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Print nothing."""

    def do_GET(self):
        self._handle()

    def do_PUT(self):
        self._handle()

    def do_POST(self):
        self._handle()

    def _handle(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        self.wandb.bodies.append(body)
        self.wandb.keys.add(self.headers.get("Authorization"))
        content = {}
        if self.path.endswith("/graphql") and self.wandb.status == 200:
            asked = json.loads(body)
            given = {**(asked.get("variables") or {}), "address": f"http://{self.headers['Host']}"}
            content = {"data": self.wandb.answer(asked["query"], given)}
        elif self.path.endswith("/file_stream") and self.wandb.status == 200:
            self._stream(json.loads(body))
        payload = json.dumps(content).encode()
        self.send_response(self.wandb.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _stream(self, sent):
        rows = (sent.get("files") or {}).get("wandb-history.jsonl")
        if rows:
            kept = self.wandb.history.setdefault(self.path.split("/")[-2], {})
            kept.update({rows["offset"] + place: json.loads(row) for place, row in enumerate(rows["content"])})
