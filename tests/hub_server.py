"""A server that answers as tfhub.dev does, with one archive."""

import contextlib
import http.server
import threading


class _Handler(http.server.BaseHTTPRequestHandler):
    """Redirects to where the archive is."""

    def do_GET(self):
        self.server.paths.append(self.path)
        if self.path == "/google/vector/1?tf-hub-format=compressed":
            self.send_response(302)
            self.send_header("Location", "/store/vector.tar.gz")
            self.end_headers()
        elif self.path == "/store/vector.tar.gz":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.content)
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(content):
    """Serves /google/vector/1, which has `content`; `paths` are what was asked for."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as found:
        found.paths, found.content = [], content
        found.address = f"http://127.0.0.1:{found.server_port}"
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()
