"""The platform's settings, `LIVE_*`, and their defaults. They are read once, at the start (realtime.apps).

A site writes other values into its Django settings; liveplatform.settings reads them from the environment. This module
also makes what Channels and Celery need from the platform, so a site needs no settings for them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from kombu import Queue

from realtime.table.addresses import RedisAddress, parse_list

DEFAULTS: Mapping[str, Any] = {
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "LIVE_REGION": "local",
    "LIVE_PEERS": {},  # region -> the address of its relay
    "LIVE_RELAY_KEYS": (),  # realtime.relay.signing.RelayKey
    "LIVE_RELAY_HOST": "127.0.0.1",
    "LIVE_RELAY_PORT": 8100,
    # Origins whose pages may use the streams and calls, like https://example.org.
    "LIVE_ORIGINS": (),
    "TRUSTED_PROXIES": 0,
    # The bearer token with which a scraper on another machine may read /metrics; empty: only this machine may.
    "LIVE_METRICS_TOKEN": "",
    "LIVE_FRAME_MS": 50,
    "LIVE_KEPT_MB": 256,
    "LIVE_DRAIN_SECONDS": 2,
    "LIVE_PRESENCE_SECONDS": 10,
    "LIVE_COUNT_AFTER_SECONDS": 3,
    "LIVE_SAMPLE": 0.01,
    # Leases of the shared table: a node renews every `renew` seconds and is gone after `lease` seconds of silence.
    "LIVE_RENEW_SECONDS": 2,
    "LIVE_LEASE_SECONDS": 15,
    # Limits, each in the memory of a node (realtime.limits). An address is one of IPv4, or a /64 of IPv6: a household,
    # but also a school, an office or a carrier with all its people. LIVE_LIMITS False opens all of them, and those of
    # single viewers.
    "LIVE_LIMITS": True,
    "LIVE_STREAMS_PER_ADDRESS": 2_000,
    "LIVE_STREAMS_PER_VIEWER": 10,
    "LIVE_CONNECTS_PER_ADDRESS": 100,  # a second, and 20 times at once
    "LIVE_IDLE_PER_ADDRESS": 500,
    "LIVE_PGBOUNCER": False,
    # The folder where processes note that they run, so that each has a number of its own (realtime.telemetry).
    "LIVE_PROCESSES_DIR": Path(tempfile.gettempdir()) / f"live-processes-{os.getuid()}",
}


QUEUES = [
    # If a batch is lost with its worker, nodes repair it before it could be delivered again. To acknowledge each batch
    # is half of what the broker costs.
    Queue("dispatch", no_ack=True),
    Queue("jobs"),
]


def fill_in() -> None:
    """Add the settings that the site has not set. You may call it any number of times."""
    _set(DEFAULTS)
    # For the nodes' channels, if one Redis is not enough. Each node's channel is in one of them.
    _set({"LIVE_LAYER_URLS": settings.REDIS_URL})
    _set({"CHANNEL_LAYERS": channel_layers(settings.LIVE_LAYER_URLS), **celery_settings(settings.REDIS_URL)})


def _set(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if not hasattr(settings, name):
            setattr(settings, name, value)


def channel_layers(urls: str) -> dict[str, Any]:
    """Return Channels' settings: one channel for each node, nothing for a viewer.

    Pub/sub instead of the core layer: it does not poll, and it does not compare the clocks of two hosts. If it loses
    something on a reconnect, the nodes' reconcile step repairs that.
    """
    hosts = [host.layer_host(socket_connect_timeout=1) for host in parse_list(urls)]
    config = {"hosts": hosts, "prefix": "live."}
    return {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": config}}


def celery_settings(redis_url: str) -> dict[str, Any]:
    """Return Celery's settings, for `config_from_object("django.conf:settings", namespace="CELERY")`."""
    broker_url, broker_options = RedisAddress.parse(redis_url).broker()
    return {
        "CELERY_BROKER_URL": broker_url,
        "CELERY_BROKER_CONNECTION_TIMEOUT": 1,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_BROKER_TRANSPORT_OPTIONS": {
            "socket_timeout": 2,
            "socket_connect_timeout": 1,
            "retry_on_timeout": False,
            # A worker gives up a Redis that has vanished without closing the connection after 6 to 11 s, not after 51.
            "health_check_interval": 5,
            # Work lost with a killed worker is delivered again soon. By then nodes have repaired it, and tasks are
            # idempotent.
            "visibility_timeout": 30,
            "max_retries": 0,
            **broker_options,
        },
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED": False,
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_TASK_DEFAULT_QUEUE": "jobs",
        "CELERY_TASK_QUEUES": QUEUES,
        "CELERY_TASK_ROUTES": {"realtime.tasks.dispatch": {"queue": "dispatch"}},
        "CELERY_WORKER_SEND_TASK_EVENTS": False,
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        "CELERY_TIMEZONE": "UTC",
        "CELERY_BEAT_SCHEDULE": RETENTION,
    }


RETENTION: Mapping[str, Any] = {"retention": {"task": "realtime.tasks.retention", "schedule": 300.0}}
"""The platform's own periodic task. A site with other tasks has this one too."""
