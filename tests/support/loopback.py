"""HTTP servers on the loopback that stand in for hubs, for their real clients."""

import contextlib
import threading
from http.server import ThreadingHTTPServer


@contextlib.contextmanager
def served(handler, handle_error=None, **attributes):
    """Serve in a thread with a handler class that has these attributes; yields the address.

    Args:
        handler: a ``BaseHTTPRequestHandler``.
        handle_error: called when a client closes the connection early; prints by default.
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
