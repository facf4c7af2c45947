"""The page's server: from the standard library, for the people at this machine.

It listens on the loopback. Its address contains a secret, because other users of a machine can reach the loopback too.
Requests with the name of another host (DNS rebinding) or from another site are refused. The page loads nothing from
anywhere, and texts of models reach it as HTML that ``report.page.latex`` has made safe.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import ipaddress
import json
import secrets
import socket
import urllib.parse
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from feyntune.core.errors import FeynTuneError
from feyntune.playground.comparisons import Comparisons
from feyntune.playground.requests import CompletionRequest, RevealRequest, VoteRequest, parse
from feyntune.playground.session import Prompt, Session
from feyntune.report.page.latex import to_html
from feyntune.report.page.render import render_page, security_policy

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of the loopback. Through a tunnel (``ssh -L``) a browser asks for them with another port."""
FOLDER = Path(__file__).parent
POLICY = "connect-src 'self'; base-uri 'none'; form-action 'none'"
ANY = ("0.0.0.0", "::")
"""Hosts that stand for all addresses of a machine."""
LARGEST = 200_000
"""Bytes that a request may have."""


class PageServer(ThreadingHTTPServer):
    """Listens from the beginning, so that a port in use is noticed before models are loaded.

    Call ``show``, then ``serve_forever``; ``address`` is what a browser opens.

    Args:
        host: name or address to listen on.
        port: port to listen on; 0 for any that is free.

    Raises:
        FeynTuneError: the port is in use, or this machine has no such address.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            fault = "is in use" if in_use else f"cannot be used ({error})"
            raise FeynTuneError(f"port {port} of {host} {fault}; name another by --port, or 0 for a free one") from None
        self.hosts = LOOPBACK if host in LOOPBACK else LOOPBACK | {host, socket.gethostname(), socket.getfqdn()}
        self.shown = socket.getfqdn() if host in ANY else f"[{host}]" if ":" in host else host
        self.prefix = f"/{secrets.token_urlsafe(16)}/"
        self.policy = security_policy(FOLDER, "page", f"{POLICY}; frame-ancestors 'none'")

    def show(self, session: Session, votes: Path) -> None:
        """Offer the runs of a session on the page.

        Args:
            session: the models.
            votes: CSV file of votes.
        """
        self.comparisons = Comparisons(session, votes)
        content = {"runs": list(session.runs), "devices": session.devices, "votes": str(votes)}
        self.page = render_page(FOLDER, "page", POLICY, content).encode()

    @property
    def address(self) -> str:
        """The page's address."""
        return f"http://{self.shown}:{self.server_address[1]}{self.prefix}"


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = 60
    server_version = "FeynTune"
    sys_version = ""

    @property
    def _page_server(self) -> PageServer:
        return cast("PageServer", self.server)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: prompts and the secret are nobody else's business."""

    def do_GET(self) -> None:
        """Send the page."""
        action = self._action()
        if action == "":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self._page_server.page)
        elif action is not None:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Complete, reveal or vote."""
        answers = {"complete": self._complete, "reveal": self._reveal, "vote": self._vote}
        action = self._action()
        if action is None:
            return
        if action not in answers:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif (body := self._body()) is not None:
            try:
                answers[action](body)
            except FeynTuneError as error:
                self._send_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    def _action(self) -> str | None:
        """The path after the secret; None if the request was refused."""
        prefix = self._page_server.prefix
        if not self._is_ours():
            self._refuse(HTTPStatus.FORBIDDEN)
        elif not hmac.compare_digest(self.path[: len(prefix)].encode(), prefix.encode()):
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            return self.path[len(prefix) :]
        return None

    def _is_ours(self) -> bool:
        """Whether the request names this machine, and no other site has caused it."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        try:
            name = urllib.parse.urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        named = name in self._page_server.hosts or _is_number(name)
        return named and origin in (None, f"http://{host}") and self.headers.get("Sec-Fetch-Site") != "cross-site"

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        return self.rfile.read(int(length))

    def _complete(self, body: bytes) -> None:
        """Send lines of JSON while completions grow."""
        asked = parse(CompletionRequest, body)
        comparisons = self._page_server.comparisons
        key, comparison = comparisons.start(Prompt(asked.prompt, seed=asked.seed, changes=asked.changes), asked.runs)
        self._head(HTTPStatus.OK, "application/x-ndjson")
        try:
            self._line({"comparison": key, "columns": len(comparison.order), "prompt": to_html(comparison.prompt.line)})
            for column, growth in comparisons.grow(comparison):
                html = to_html(growth.text)
                self._line({"column": column, "html": html, "tokens": growth.tokens, "stopped": growth.stopped})
            self._line({"done": True})
        except FeynTuneError as error:
            self._line({"error": str(error)})
        except (BrokenPipeError, ConnectionResetError):  # the page was closed, or its reader has stopped it
            self.close_connection = True

    def _reveal(self, body: bytes) -> None:
        asked = parse(RevealRequest, body)
        self._send_json({"runs": self._page_server.comparisons.reveal(asked.comparison)})

    def _vote(self, body: bytes) -> None:
        asked = parse(VoteRequest, body)
        runs = self._page_server.comparisons.vote(asked.comparison, asked.better, asked.rater)
        self._send_json({"runs": runs, "file": str(self._page_server.comparisons.votes)})

    def _line(self, content: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(content).encode() + b"\n")
        self.wfile.flush()

    def _send_json(self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, "text/plain; charset=utf-8", status.phrase.encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self._head(status, kind, len(content))
        self.wfile.write(content)

    def _head(self, status: HTTPStatus, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Security-Policy", self._page_server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()


def _is_number(host: str) -> bool:
    """Whether a host is an IP address, which no other site can make its own, as it can with a name."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False
