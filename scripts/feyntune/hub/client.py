"""The hub's HTTP client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

SILENCE = 120
"""Seconds for which the hub may be silent in a request; the client by itself waits for ever in most of them."""


def limit_silence() -> None:
    """Let every request of this process fail when the hub is silent for ``SILENCE`` seconds.

    Requests are changed, and not the client's own limit: the client gives most of its requests none, which counts more.
    """
    from huggingface_hub import get_session

    hooks = get_session().event_hooks
    if _limit not in hooks["request"]:
        get_session().event_hooks = {**hooks, "request": [*hooks["request"], _limit]}


def _limit(request: httpx2.Request) -> None:
    given = request.extensions.get("timeout", {})
    limits = {phase: given.get(phase) or SILENCE for phase in ("connect", "read", "write", "pool")}
    request.extensions = {**request.extensions, "timeout": limits}
