"""A Hugging Face hub on the loopback: enough of its HTTP for the real client to fetch a repository."""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler

from support.loopback import served

COMMIT = "c0ffee" + "0" * 34


class Hub:
    """One repository with these files (bytes by path); ``cut`` ends the first download after this many bytes.

    ``token`` is the only token that the hub accepts, and needs if the repository is ``private`` or ``gated``; nobody
    has access to the files of a gated repository. ``status`` is the status of every response, if it is given.
    ``others`` are further repositories: files by name.
    """

    def __init__(
        self, repository, files, kind="datasets", cut=None, token=None, access="public", status=None, others=()
    ):
        self.repositories, self.kind, self.cut = {repository: files, **dict(others)}, kind, cut
        self.token, self.access, self.status = token, access, status
        self.downloads = []
        """Pairs of path and first byte of each requested download."""

    def serving(self):
        """Serve in a thread; yields the address for ``HF_ENDPOINT``."""
        return served(_Handler, hub=self)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def log_message(self, *_):
        """Print nothing."""

    def _answer(self, body):
        path = self.path.split("?")[0]
        refusal = self._refusal()
        if refusal:
            return self._json({"error": "refused"}, *refusal)
        for name, files in self.hub.repositories.items():
            if f"/{name}/" in path:
                return self._of_repository(f"{self.hub.kind}/{name}", files, path, body)
        return self._json({"error": "none"}, 404, "RepoNotFound")

    def _of_repository(self, repository, files, path, body):
        if path.startswith(f"/api/{repository}/tree/{COMMIT}"):
            return self._json([_entry(*file) for file in files.items()])
        if re.fullmatch(f"/api/{repository}/revision/(v1|main|{COMMIT})", path):
            return self._json({"id": repository.split("/", 1)[1], "sha": COMMIT, "siblings": []})
        found = re.fullmatch(f"/{repository.removeprefix('models/')}/resolve/{COMMIT}/(.*)", path)
        if found and found[1] in files:
            return self._file(found[1], files[found[1]], body)
        return self._json({"error": "none"}, 404, "RevisionNotFound")

    def _refusal(self):
        """Status, error code and message with which the hub refuses a request; None if it does not."""
        sent = self.headers.get("Authorization")
        if self.hub.status:
            return self.hub.status, None, None
        if sent and sent != f"Bearer {self.hub.token}":
            return 401, None, "Invalid credentials in Authorization header"
        if self.hub.access == "private" and not sent:
            return 401, "RepoNotFound", None
        if self.hub.access == "gated" and "/resolve/" in self.path:
            return 403 if sent else 401, "GatedRepo", None
        return None

    def _json(self, content, status=200, error=None, message=None):
        payload = json.dumps(content).encode()
        self.send_response(status)
        for header, value in {"X-Error-Code": error, "X-Error-Message": message}.items():
            if value:
                self.send_header(header, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _file(self, name, content, body):
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{_hash(content)}"')
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if body:
            self.hub.downloads.append((name, start))
            cut, self.hub.cut = self.hub.cut, None
            self.wfile.write(content[start:cut])
            self.close_connection = True


def _hash(content):
    """The hash that git has for a file, as the hub names small files."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _entry(path, content):
    return {"type": "file", "path": path, "size": len(content), "oid": _hash(content)}
