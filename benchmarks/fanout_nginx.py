"""nginx as a peer, with nchan, and as a proxy before a node. Used by `benchmarks/fanout.py` and `benchmarks/tls.py`."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.fanout_running import FRAME_BYTES, Missing, Running, accepts, child, payload, post, request, wait_for
from host.embedded import free_port

TLS = tuple[Path, Path]
"""A certificate and its key."""
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


@contextlib.contextmanager
def nginx(port: int, http: str, *, missing: str, load: str = "") -> Iterator[int]:
    """Have an nginx of one worker; give its id. `http`: what its http block has besides. Raises Missing (`missing`)."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise Missing(missing)
    folder = tempfile.mkdtemp(prefix="fanout-nginx-")
    configuration = Path(folder) / "nginx.conf"
    configuration.write_text(f"""
{load}
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 19900; multi_accept on; use epoll; }}
http {{
  access_log off;
  tcp_nodelay on;
  sendfile on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{http}
}}
""")
    with child([program, "-p", folder, "-c", str(configuration), "-e", f"{folder}/error.log"]) as pid:
        wait_for(lambda: accepts(port), "nginx")
        yield pid
    shutil.rmtree(folder, ignore_errors=True)


def _listen(port: int, tls: TLS | None) -> str:
    own = f"ssl; ssl_protocols TLSv1.3; ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};" if tls else ";"
    return f"listen 127.0.0.1:{port} backlog=4096 {own}"


@dataclass(slots=True)
class Nchan:
    """nginx with the nchan module of the distribution, messages in shared memory.

    https://github.com/slact/nchan, README: "Publisher Endpoints", "Subscriber Endpoints" (one location for each role),
    "Memory Storage" (the default, and the fast one). One worker, because one process of each server is compared. A
    buffer of one message: history is not compared. `tls`: of subscribers, with nginx's defaults.
    """

    tls: TLS | None = None

    @contextlib.contextmanager
    def start(self, websocket: bool) -> Iterator[Running]:
        missing = "no nginx with nchan (apt install nginx libnginx-mod-nchan, or --install)"
        if not NCHAN.exists():
            raise Missing(missing)
        port, publishing = free_port(), free_port()
        subscriber = "websocket" if websocket else "eventsource"
        http = f"""
  nchan_shared_memory_size 128m;
  nchan_message_buffer_length 1;
  server {{
    {_listen(port, self.tls)}
    listen 127.0.0.1:{publishing};
    location = /sub {{ nchan_subscriber {subscriber}; nchan_channel_id live; nchan_subscriber_first_message newest; }}
    location = /pub {{ nchan_publisher; nchan_channel_id live; }}
  }}
"""
        # An event: name, nchan's own id line, data; or one text frame.
        size = FRAME_BYTES[websocket] - (4 if websocket else len("id: 1700000000:0\ndata: \n\n"))
        with nginx(port, http, missing=missing, load=f"load_module {NCHAN};") as pid:
            requests = [request("/sub", websocket=websocket)]
            yield Running([pid], port, requests, partial(_publish, publishing, size), has_tls=self.tls is not None)


def _publish(port: int, size: int) -> None:
    post(port, "/pub", payload(size))


@dataclass(slots=True)
class BehindNginx:
    """A server without TLS, and nginx before it with the settings of deploy/ that matter for streams."""

    start_server: Callable[[bool], contextlib.AbstractContextManager[Running]]
    tls: TLS

    @contextlib.contextmanager
    def start(self, websocket: bool) -> Iterator[Running]:
        port = free_port()
        with self.start_server(websocket) as server:
            http = f"""
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  server {{
    {_listen(port, self.tls)}
    location / {{
      proxy_pass http://127.0.0.1:{server.port};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_buffer_size 4k;
      proxy_read_timeout 1h;
      proxy_set_header Host $host;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade;
    }}
  }}
"""
            with nginx(port, http, missing="no nginx (apt install nginx)") as pid:
                yield replace(server, pids=[*server.pids, pid], port=port, has_tls=True)
