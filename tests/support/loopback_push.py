"""A Hugging Face hub on the loopback that accepts pushes of the real client, and fails on demand."""

import contextlib
import hashlib
import io
import json
import re
from http.server import BaseHTTPRequestHandler

from support.loopback import served

TOKEN = "hf_" + "tokenOfTheLoopback"


class Repository:
    """The contents of a repository by path, its commits, and whether it is private."""

    def __init__(self, private=True):
        self.files, self.private, self.commits = {}, private, [_oid("first")]


class PushHub:
    """Repositories by kind and name (``models/me/run``); files above ``threshold`` bytes go by LFS.

    ``faults`` is a list of (method, part of the path, status, headers); each occurs once, in this order among
    those that match. The status ``cut`` closes the connection during the upload, ``lost`` serves the request and closes
    the connection without a response.
    """

    def __init__(self, threshold=10_000_000, faults=()):
        self.threshold, self.faults = threshold, list(faults)
        self.repositories, self.objects, self.requests, self.bodies = {}, {}, [], []

    @contextlib.contextmanager
    def serving(self):
        """Serve in a thread; yields the address for ``HF_ENDPOINT``."""
        with served(_Handler, hub=self) as self.address:
            yield self.address

    def count(self, method, part):
        """Number of requests of a method for paths with ``part``."""
        return len([path for verb, path in self.requests if verb == method and part in path])

    def fault_for(self, method, path):
        """The next fault for this request, removed from the list; or None."""
        found = next((fault for fault in self.faults if fault[0] == method and fault[1] in path), None)
        if found:
            self.faults.remove(found)
        return found


class _Handler(BaseHTTPRequestHandler):
    hub: PushHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Print nothing."""

    def do_GET(self):
        self._handle("GET")

    def do_POST(self):
        self._handle("POST")

    def do_PUT(self):
        self._handle("PUT")

    def _handle(self, method):
        path = self.path.split("?")[0]
        self.hub.requests.append((method, path))
        fault = self.hub.fault_for(method, path)
        if fault and fault[2] == "cut":
            self.rfile.read(1000)
            self.close_connection = True
            self.connection.close()
            return
        body = self._body()
        self.hub.bodies.append(body)
        if fault and fault[2] == "lost":
            self.wfile = io.BytesIO()
            self._serve(method, path, body)
            self.close_connection = True
            self.connection.close()
        elif fault:
            self._json({"error": "asked for"}, fault[2], fault[3])
        elif method != "PUT" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json({"error": "Invalid credentials"}, 401, {})
        else:
            self._serve(method, path, body)

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self, method, path, body):
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path.startswith("/lfs/"):
            return self._store(path.split("/")[-1], body)
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        found = re.fullmatch(r"/api/((?:models|datasets)/[^/]+/[^/]+)(?:/(preupload|commit)/main)?", path)
        repository = found and self.hub.repositories.get(found[1])
        if not repository:
            return self._json({"error": "none"}, 404, {"X-Error-Code": "RepoNotFound"})
        answers = {None: self._info, "preupload": self._modes, "commit": self._commit}
        return answers[found[2]](found[1], repository, body)

    def _store(self, oid, body):
        if hashlib.sha256(body).hexdigest() != oid:  # the upload of a killed client
            return self._json({"error": "another hash"}, 400)
        self.hub.objects[oid] = body
        return self._json({})

    def _create(self, asked):
        kind = {"model": "models", "dataset": "datasets"}[asked.get("type", "model")]
        name = f"{kind}/{asked['organization']}/{asked['name']}"
        url = f"{self.hub.address}/{name.removeprefix('models/')}"
        if name in self.hub.repositories:
            return self._json({"error": "You already created this repo", "url": url}, 409)
        self.hub.repositories[name] = Repository(private=asked.get("visibility") == "private")
        return self._json({"url": url})

    def _info(self, name, repository, _):
        siblings = [_sibling(path, content, self._is_large(content)) for path, content in repository.files.items()]
        head = {"id": name.split("/", 1)[1], "sha": repository.commits[-1], "private": repository.private}
        return self._json({**head, "siblings": siblings})

    def _is_large(self, content):
        return len(content) > self.hub.threshold

    def _modes(self, _, repository, body):
        modes = {True: "lfs", False: "regular"}
        files = [
            {"path": file["path"], "uploadMode": modes[file["size"] > self.hub.threshold], "shouldIgnore": False}
            for file in json.loads(body)["files"]
        ]
        return self._json({"files": files})

    def _batch(self, asked):
        return self._json({"transfer": "basic", "objects": [self._instruction(each) for each in asked["objects"]]})

    def _instruction(self, wanted):
        if wanted["oid"] in self.hub.objects:
            return wanted
        return {**wanted, "actions": {"upload": {"href": f"{self.hub.address}/lfs/{wanted['oid']}"}}}

    def _commit(self, name, repository, body):
        import base64

        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.objects[value["oid"]]
        repository.commits.append(_oid(body))
        url = f"{self.hub.address}/{name.removeprefix('models/')}/commit/{repository.commits[-1]}"
        return self._json({"success": True, "commitOid": repository.commits[-1], "commitUrl": url})

    def _json(self, content, status=200, headers=None):
        payload = json.dumps(content).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _oid(content):
    return hashlib.sha1(content if isinstance(content, bytes) else content.encode(), usedforsecurity=False).hexdigest()


def _sibling(path, content, large):
    blob = _oid(b"blob %d\0" % len(content) + content)
    lfs = {"lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}}
    return {"rfilename": path, "size": len(content), "blobId": blob, **(lfs if large else {})}
