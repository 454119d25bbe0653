"""The processes of a site and how each is started. Used by `serve` and by the tests, so both run the same."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from host.processes import Program

CHECKOUT = Path(__file__).resolve().parent.parent
# Unbuffered: the last lines before a process is killed count most.
PYTHON = (sys.executable, "-u")
# A node sends its viewers to other nodes before it ends.
DRAIN_SECONDS = 30.0
# A worker finishes its task; the next start takes up the rest.
WORKER_STOP_SECONDS = 10.0
# What programs share when they are forked (host.forks). Nothing that starts a thread or an event loop when it is
# imported, as Daphne's server does.
PAGES = (
    "liveplatform.urls", "allauth.account.middleware", "autobahn.twisted.websocket", "channels.generic.websocket",
    "channels.routing", "channels_redis.pubsub", "daphne.utils", "django.contrib.messages.middleware",
    "django.core.asgi", "liveplatform.assets", "psycopg_pool", "realtime.node.process", "redis.asyncio",
    "servestatic.asgi", "twisted.internet.asyncioreactor", "twisted.internet.ssl", "twisted.web.http",
)  # fmt: skip
TASKS = (
    "celery.apps.beat", "celery.apps.worker", "celery.bin.celery", "celery.concurrency.solo", "celery.fixups.django",
    "celery.loaders.app", "celery.worker.consumer", "kombu.transport.redis", "liveplatform.celery",
)  # fmt: skip
DATABASE = ("django.db.migrations.executor",)


def node(name: str, listening_fd: int, tls_fd: int | None = None) -> Program:
    """A frontend node that accepts from a listening socket, and one of HTTPS, which several of them may share."""
    fds = {"--fd": listening_fd} if tls_fd is None else {"--fd": listening_fd, "--tls-fd": tls_fd}
    options = (word for option, fd in fds.items() for word in (option, str(fd)))
    argv = (*PYTHON, "-m", "liveplatform.node", *options)
    return Program(name, argv, stop_seconds=DRAIN_SECONDS, cwd=CHECKOUT, fds=tuple(fds.values()), imports=PAGES)


def dispatcher(name: str = "dispatcher") -> Program:
    """A Celery worker that dispatches published events to the nodes; any number may run."""
    return _worker(name, "--queues", "dispatch")


def relay(name: str = "relay") -> Program:
    """The relay, which exchanges events with the other regions; any number may run."""
    return _program(name, "relay", imports=PAGES)


def ingest(name: str = "ingest") -> Program:
    """What takes pictures from encoders; one for each folder of pictures."""
    return _program(name, "ingest", imports=PAGES)


def preparation(name: str = "database") -> Program:
    """What makes the tables and the first administrator, if they are missing, and ends."""
    return _program(name, "preparation", imports=DATABASE)


def demo(name: str = "demo") -> Program:
    """The demo broadcast, until its video ends."""
    return replace(_program(name, "demo", imports=PAGES), may_end=True)


def certificate(name: str = "certificate") -> Program:
    """What gets or renews the certificate, if it is time, and ends."""
    return _program(name, "certificate")


def _program(name: str, module: str, *, imports: tuple[str, ...] = ()) -> Program:
    argv = (*PYTHON, "-m", f"liveplatform.{module}")
    return Program(name, argv, stop_seconds=WORKER_STOP_SECONDS, cwd=CHECKOUT, imports=imports)


def jobs(name: str = "jobs") -> Program:
    """The Celery worker for periodic work, with its clock; one per site."""
    return _worker(name, "--queues", "jobs", "--beat")


def _worker(name: str, *options: str) -> Program:
    # With gossip, mingle and heartbeats workers learn about each other, which nothing here needs.
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    celery = (*PYTHON, "-m", "celery", "--app", "liveplatform", "--quiet", "worker")
    argv = (*celery, "--pool", "solo", "--hostname", f"{name}@%h", *quiet, *options)
    return Program(name, argv, stop_seconds=WORKER_STOP_SECONDS, cwd=CHECKOUT, imports=TASKS)
