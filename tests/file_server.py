"""A server on this machine that answers each request as a test tells it to."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request; `server.answers` says what comes next, its last entry forever."""

    protocol_version = "HTTP/1.1"
    server: "FileServer"

    @property
    def begin(self) -> int:
        """The first byte that was asked for."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))
        assert found is not None
        return int(found[1])

    def do_GET(self) -> None:
        self.close_connection = True
        with self.server.lock:
            self.server.requests.append(self.begin)
            answers = self.server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: object) -> None:
        """Sends an answer; keyword Content_Type is the header Content-Type."""
        self.send_response(status)
        for name, value in ({"Content_Length": len(body), "Connection": "close"} | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)


class FileServer(ThreadingHTTPServer):
    """Serves one file, well or badly.

    Attributes:
        answers: What to do with the next requests; the last for all that follow.
        requests: First byte that each request asked for.
    """

    daemon_threads = True

    def __init__(self, answers: list[Answer], host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Handler)
        self.answers = answers
        self.requests: list[int] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]}:{self.server_port}/file"


@contextmanager
def serving(*answers: Answer, host: str = "127.0.0.1") -> Iterator[FileServer]:
    with FileServer([*answers], host) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def whole(data: bytes, **headers: object) -> Answer:
    """Answers as a good server does, with the part that was asked for."""

    def answer(request: Handler) -> None:
        begin = request.begin
        if begin >= len(data) > 0:
            request.reply(416, Content_Range=f"bytes */{len(data)}")
        elif "Range" in request.headers:
            content_range = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            request.reply(206, data[begin:], **({"Content_Range": content_range} | headers))
        else:
            request.reply(200, data, **headers)

    return answer


def without_ranges(data: bytes, **headers: object) -> Answer:
    """Always sends the file from its beginning."""
    return lambda request: request.reply(200, data, **headers)


def dropping(data: bytes, after: int) -> Answer:
    """Breaks the connection after so many bytes of what was asked for."""

    def answer(request: Handler) -> None:
        begin = request.begin
        rest = data[begin : begin + after]
        partial = {"Content_Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
        request.reply(206 if begin else 200, rest, Content_Length=len(data) - begin, **partial)

    return answer


def failing(status: int) -> Answer:
    return lambda request: request.reply(status, b"sorry")
