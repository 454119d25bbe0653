"""What the servers of `benchmarks/fanout.py` have in common: what a server is, and how one is started and published to.

Nothing here knows one of them (benchmarks.fanout_servers), and nothing measures.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from host.embedded import PORTS
from host.waiting import wait_until
from realtime.events import now_ms

HERE = Path(__file__).resolve().parent
# One '^' makes a frame for the client, and this many bytes make one of ours 130.
KIND = "^hearts"
NOWHERE = "video:00000000-0000-4000-8000-000000000000"
FRAME_BYTES = {False: 130, True: 132}
SSE_AROUND = "7a\r\nevent: reactions\ndata: \n\n\r\n"  # of an event in a chunk
SSE_OPEN = "\r\n\r\n"
# The key of RFC 6455, section 1.3, and what a server answers to it: our C server has no SHA-1.
WEBSOCKET_KEY, WEBSOCKET_ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
READY_SECONDS = 60.0
WINDOW_MAX_BYTES = 2**31 - 1


class Missing(Exception):
    """A server cannot be measured here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running server: its processes' root ids, where it listens, what a viewer sends, and how a frame is published.

    `opened` is what a viewer has read last when its stream is open. `publish` has one frame sent to everybody.
    `has_tls`: viewers come by TLS.
    """

    pids: Sequence[int]
    port: int
    requests: Sequence[bytes]
    publish: Callable[[], None]
    opened: str = SSE_OPEN
    has_tls: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """One line of the comparison. `start(websocket)` runs it; raises Missing. `viewers_max`: more it does not hold.

    `at_once`: how many viewers may be on their way in; more it does not take.
    """

    name: str
    title: str
    start: Callable[[bool], contextlib.AbstractContextManager[Running]]
    websocket: bool = True
    viewers_max: int = 20_000
    frames_max: int = 10_000
    at_once: int = 200
    rounds_max: int = 100


def request(path: str, *, websocket: bool) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if websocket:
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        return f"{head}Sec-WebSocket-Key: {WEBSOCKET_KEY}\r\n\r\n".encode()
    return f"{head}Accept: text/event-stream\r\n\r\n".encode()


def request_by_http2(path: str) -> bytes:
    """Return all that a viewer of an event stream sends on a connection of HTTP/2. It opens the largest windows."""
    viewer = H2Connection(H2Configuration(header_encoding=None))
    viewer.local_settings = Settings(initial_values={SettingCodes.INITIAL_WINDOW_SIZE: WINDOW_MAX_BYTES})
    viewer.initiate_connection()
    viewer.increment_flow_control_window(WINDOW_MAX_BYTES - viewer.inbound_flow_control_window)
    asked = {":method": "GET", ":scheme": "https", ":authority": "127.0.0.1", ":path": path}
    viewer.send_headers(1, [*asked.items(), ("accept", "text/event-stream")], end_stream=True)
    return viewer.data_to_send()


def payload(size: int) -> str:
    """Return the event's JSON, as our node writes it, made longer or shorter to have `size` bytes."""
    before, after = f'{{"topic":"{NOWHERE}","counts":{{"^', f'":1}},"at_ms":{now_ms()}}}'
    return before + "h" * (size - len(before) - len(after)) + after


def listen() -> socket.socket:
    """Return a socket that listens, to be handed to a server: no connection is refused before it runs."""
    # Not the system's choice of a port: it is from the range that the viewers' own connections fill.
    while True:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", random.randrange(*PORTS)))
            listening.listen(4096)
        except OSError:
            listening.close()
            continue
        return listening


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds. Raises Missing if it does not hold in time."""
    if not wait_until(condition, within_seconds=READY_SECONDS, every_seconds=0.05):
        raise Missing(f"{what} did not come up")


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def opens(port: int) -> bool:
    """Whether a GET is answered with 200, be the answer endless."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def post(port: int, path: str, body: str, content_type: str = "text/plain") -> None:
    """Publish by HTTP. Raises OSError for an answer that is no success."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status >= 300:
        raise OSError(f"POST {path}: {answer.status}")


@contextlib.contextmanager
def child(argv: Sequence[str], *, fds: Sequence[int] = (), env: dict[str, str] | None = None) -> Iterator[int]:
    """Run a process for the length of the block; give its id."""
    running = subprocess.Popen(argv, pass_fds=fds, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield running.pid
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def compiled(name: str, folder: Path, *, tls: bool = False) -> str:
    """Return the path of a C program of this folder, compiled; `tls`: with OpenSSL. Raises Missing."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Missing("no C compiler (apt install gcc)")
    target = folder / (f"{name}_tls" if tls else name)
    if not target.exists():
        libraries = ["-DTLS", "-lssl", "-lcrypto"] if tls else []
        argv = [compiler, "-O2", "-o", str(target), str(HERE / f"{name}.c"), *libraries]
        if subprocess.run(argv).returncode:
            raise Missing(f"{name}.c cannot be compiled{' (apt install libssl-dev)' if tls else ''}")
    return str(target)
