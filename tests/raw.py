"""Requests byte by byte, for what no polite client would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SILENCE_SECONDS = 30.0  # longer than any deadline of the server: then it hangs


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request. Status 0: the connection was closed without a word."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> tuple[int, str]:
        """Status and code of an error that keeps to the form of all: `{"code", "detail"}` as JSON, both texts."""
        assert self.headers.get("content-type", "").startswith("application/json"), self
        found = json.loads(self.body)
        assert set(found) == {"code", "detail"}, found
        assert all(isinstance(text, str) and text for text in found.values()), found
        return self.status, found["code"]

    def json(self) -> Any:
        return json.loads(self.body)


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=SILENCE_SECONDS)


def receive(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes. Raises AssertionError when it never does."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionError:
        pass
    except TimeoutError:
        raise AssertionError(f"the server neither answers nor closes; so far: {received[:500]!r}") from None
    return received


def talk(url: str, data: bytes, *, shut: bool = False) -> bytes:
    """Send bytes on a connection of their own; return all that comes back. `shut`: say that no more will come."""
    with connect(url) as connection:
        try:
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # refused already: the answer is still to be read
        return receive(connection)


def parse(received: bytes) -> Answer:
    """Return the first answer of what came back."""
    if not received:
        return Answer(0, {}, b"")
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = rest
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            body, rest = body + rest[:length], rest[length + 2 :]
            if not length:
                break
    return Answer(int(first.split(" ")[1]), headers, body)


def request(
    url: str, method: str, target: str | bytes, *, headers: Iterable[tuple[str, str | bytes]] = (), body: bytes = b""
) -> Answer:
    """Send one request as it is given, with the Host that belongs to the URL; return its answer."""
    lines = [_bytes(method) + b" " + _bytes(target) + b" HTTP/1.1"]
    given = {name.lower() for name, _ in headers}
    defaults = {"Host": urlsplit(url).netloc, "Connection": "close", "Content-Length": str(len(body))}
    for name, value in defaults.items():
        if name.lower() not in given and (name != "Content-Length" or body or method in ("POST", "PUT", "PATCH")):
            lines.append(f"{name}: {value}".encode())
    lines += [_bytes(name) + b": " + _bytes(value) for name, value in headers if value != b"-"]
    return parse(talk(url, b"\r\n".join(lines) + b"\r\n\r\n" + body))


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin1")
