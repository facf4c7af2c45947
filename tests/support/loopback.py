"""Serving made-up answers on this machine's loopback, for the real clients of hubs."""

import contextlib
import threading
from http.server import ThreadingHTTPServer


@contextlib.contextmanager
def served(handler, handle_error=None, **attributes):
    """Serve in a thread with a handler class that has these attributes; gives the address.

    Args:
        handler: a ``BaseHTTPRequestHandler``.
        handle_error: what is called, instead of printing, where a client leaves amid an answer.
        attributes: of the handler's class.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), attributes))
    server.handle_error = handle_error or server.handle_error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
