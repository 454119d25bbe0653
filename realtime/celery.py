"""The Celery application: dispatcher (queue `dispatch`) and jobs (queue `jobs`, with beat) run it as a worker.

It has the tasks of all the site's apps. `celery -A realtime worker --queues dispatch` starts a dispatcher, with the
site's DJANGO_SETTINGS_MODULE in the environment.
"""

from __future__ import annotations

import gc
import os
import re
import warnings
from typing import Any

import orjson
from celery import Celery, beat
from celery.signals import setup_logging, task_success, worker_ready
from kombu import serialization
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from kombu.utils import json as kombu_json

from realtime.conf import fill_in

# Django's checks load all URLs and forms: two thirds of what the start of a worker cost, and memory for good. They are
# for `manage.py check` and `migrate`.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
# A site may run as root, in a container for instance. A warning by each worker at each start adds nothing.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
# Beat sends a few messages a minute. A process of its own is 77 MB, so it is a thread of the worker: what Celery does
# where there are no processes.
beat._Process = None


def _dumps(value: Any) -> bytes | str:
    try:
        return orjson.dumps(value)
    except TypeError:  # a type that only Celery's own JSON can write
        text: str = kombu_json.dumps(value)
        return text


def _loads(data: bytes | str) -> Any:
    raw = data.encode() if isinstance(data, str) else bytes(data)
    return kombu_json.loads(raw.decode()) if b'"__type__"' in raw else orjson.loads(raw)


# The same JSON, readable by processes of other versions, in a third of the time. Batches cost the most.
serialization.register("json", _dumps, _loads, content_type="application/json", content_encoding="utf-8")


class QoS(kombu_redis.QoS):  # type: ignore[misc]
    """Kombu's also acknowledges messages that nobody keeps (queues with `no_ack`). That costs a round trip, and leaves
    a tag for ever.
    """

    def ack(self, delivery_tag: str) -> None:
        if delivery_tag in self._delivered:
            super().ack(delivery_tag)


class BrokerChannel(kombu_redis.Channel):  # type: ignore[misc]
    QoS = QoS


class BrokerTransport(kombu_redis.Transport):  # type: ignore[misc]
    Channel = BrokerChannel


class SentinelChannel(kombu_redis.SentinelChannel):  # type: ignore[misc]
    QoS = QoS


class SentinelTransport(kombu_redis.SentinelTransport):  # type: ignore[misc]
    Channel = SentinelChannel


TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), f"{__name__}:{BrokerTransport.__name__}")
TRANSPORT_ALIASES["sentinel"] = f"{__name__}:{SentinelTransport.__name__}"

fill_in()  # a worker reads the settings before it sets up Django
app = Celery("realtime")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_logging(**_: Any) -> None:
    """Leave logging as settings.LOGGING sets it: if this signal has a receiver, Celery sets up no logging."""


@worker_ready.connect  # type: ignore[untyped-decorator]
def leave_what_is_loaded(**_: Any) -> None:
    """Keep Python's cyclic collector away from all imported modules: each walk through them takes tens of milliseconds,
    in which no event is dispatched.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@worker_ready.connect  # type: ignore[untyped-decorator]
def watch_periodic_tasks(sender: Any, **_: Any) -> None:
    """Keep a metric of when each periodic task last succeeded, in the worker that runs them."""
    if app.conf.task_default_queue not in sender.app.amqp.queues.consume_from:
        return
    from realtime import metrics

    names = {entry["task"]: name for name, entry in app.conf.beat_schedule.items()}
    for name, entry in app.conf.beat_schedule.items():
        metrics.task_interval.labels(name).set(entry["schedule"])
        metrics.task_success.labels(name).set(0)

    def note(sender: Any, **_: Any) -> None:
        if sender.name in names:
            metrics.task_success.labels(names[sender.name]).set_to_current_time()

    task_success.connect(note, weak=False)


@worker_ready.connect  # type: ignore[untyped-decorator]
def report_telemetry(sender: Any, **_: Any) -> None:
    """Publish this worker's telemetry; the first part of its name (`dispatcher-1@host`) says what it is."""
    from realtime import telemetry

    telemetry.start_reporting(re.split("[-@]", sender.hostname)[0])
