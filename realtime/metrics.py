"""What a process counts, in Prometheus' form; `/metrics` shows it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector

from realtime.stamps import CountPlace, Passage

_HOPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
Buckets = dict[float, float]
"""Upper bound in seconds -> how many took no longer (as Prometheus counts: cumulative, the last bound is infinite)."""


def quantile_ms(buckets: Mapping[float, float], quantile: float) -> float | None:
    """Return the quantile, in a straight line between the bounds of its bucket; None: nothing was counted.

    A value above the highest finite bound counts as that bound.
    """
    total = max(buckets.values(), default=0.0)
    if not total:
        return None
    lower, below = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= quantile * total:
            if bound == float("inf"):
                break
            return 1_000 * (lower + (bound - lower) * (quantile * total - below) / ((count - below) or 1.0))
        lower, below = bound, count
    return 1_000 * lower


class HopSeconds(Collector):
    """`live_hop_seconds`: the time from receiving an event to each hop, by hop, event, and region of birth.

    Fine enough that a quantile read between the bounds is within a few per cent, below 5 ms within the clock's step.
    prometheus_client's histogram looks at each of forty bounds for each observation. This one does a bisection.
    """

    NAME, LABELS = "live_hop_seconds", ("hop", "event", "region")
    BOUNDS_MS = (1, 2, 3, 4, *(float(f"{5 * 1.2**place:.3g}") for place in range(43)))
    EVENTS_MAX, REGIONS_MAX = 32, 16  # more than exist; all beyond are called "other"

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, str], list[float]] = {}  # counts by bound, the last above all; then the sum
        self._names: tuple[set[str], set[str]] = (set(), set())
        REGISTRY.register(self)

    def count(self, event: str, at_ms: int, passage: Passage) -> None:
        """Count the time from `at_ms`, when an event was received, to each hop that it has passed."""
        places = passage.places.get((event, at_ms))
        if places is None:
            times = [(hop, moment - at_ms) for hop, moment in passage.moments.items()]
            if any(ms < 0 for _, ms in times):
                for hop, ms in times:
                    self.observe(hop, event, passage.region, ms)
                return
            places = passage.places[event, at_ms] = [self._place(hop, event, passage.region, ms) for hop, ms in times]
        for series, place, seconds in places:
            series[place] += 1
            series[-1] += seconds

    def observe(self, hop: str, event: str, region: str, ms: int) -> None:
        """Count one. A negative time means that two clocks differ. It counts as 0, and as clipped."""
        if ms < 0:
            hop_clipped.labels(hop).inc()
            ms = 0
        series, place, seconds = self._place(hop, event, region, ms)
        series[place] += 1
        series[-1] += seconds

    def _place(self, hop: str, event: str, region: str, ms: int) -> CountPlace:
        series = self.series.get((hop, event, region))
        if series is None:
            event = self._bounded(event, self._names[0], self.EVENTS_MAX)
            region = self._bounded(region, self._names[1], self.REGIONS_MAX)
            series = self.series.setdefault((hop, event, region), [0] * (len(self.BOUNDS_MS) + 2))
        return series, bisect_left(self.BOUNDS_MS, ms), ms / 1000

    @staticmethod
    def _bounded(name: str, known: set[str], most: int) -> str:
        if name not in known and len(known) >= most:
            return "other"
        known.add(name)
        return name

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = self.family()
        for labels, counts in list(self.series.items()):
            self.add(family, labels, counts)
        yield family

    @classmethod
    def family(cls, *more_labels: str) -> HistogramMetricFamily:
        """Return the metric without samples."""
        text = "From when an event was received to the hop, by event and region of birth"
        return HistogramMetricFamily(cls.NAME, text, labels=(*cls.LABELS, *more_labels))

    @classmethod
    def add(cls, family: HistogramMetricFamily, labels: Sequence[str], counts: Sequence[float]) -> None:
        """Add the samples of one series to the metric."""
        bounds = [*(f"{bound / 1000:g}" for bound in cls.BOUNDS_MS), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(counts[:-1]), strict=True)), counts[-1])


connections = Gauge("live_connections", "Connections held now", ["protocol"])
topics = Gauge("live_topics", "Topics this node serves now")
kept_bytes = Gauge("live_kept_bytes", "What events take in memory that are kept for those who come back, at most")
kept_shortened = Counter("live_kept_shortened", "Times that they were too many, and the older of them were forgotten")
frames_sent = Counter("live_frames_sent", "Frames written to connections", ["event"])
counted_deliveries = Counter(
    "live_like_deliveries", "Changes of counters delivered: those in a frame, for each viewer who got it"
)
bytes_sent = Counter("live_bytes_sent", "Bytes of frames written to connections")
mailbox_drops = Counter("live_mailbox_drops", "Frames and connections given up for slow viewers", ["reason"])
tls_handshakes = Counter("live_tls_handshakes", "Handshakes of HTTPS connections", ["result"])
tls_certificate_end = Gauge(
    "live_tls_certificate_end_timestamp_seconds", "When the certificate of HTTPS ends, and who has made it", ["made_by"]
)
tls_renewal_success = Gauge(
    "live_tls_renewal_last_success_timestamp_seconds",
    "When an authority last gave a certificate; 0: never",
    ["directory"],
)
tls_renewal_failures = Gauge(
    "live_tls_renewal_failures", "How often in a row an authority has given no certificate", ["directory"]
)
refused = Counter("live_connections_refused", "Connections refused", ["reason"])
gaps_found = Counter("live_gaps_found", "Times a durable event was missing")
gaps_repaired = Counter("live_gaps_repaired", "Durable events fetched from the database after a gap")
resets = Counter("live_resets", "Snapshots sent in place of missed events", ["reason"])
topic_loads = Counter("live_topic_loads", "Topics read from the database for a first viewer")
unknown_events = Counter("live_unknown_events", "Messages of the layer that this version does not know")
table_errors = Counter("live_table_errors", "Shared table calls that failed")
store_errors = Counter("live_store_errors", "Database calls of the node that failed")

http_requests = Counter(
    "live_http_requests", "Answers by kind and status, of streams failures alone", ["kind", "status"]
)
task_success = Gauge(
    "live_task_last_success_timestamp_seconds", "When a periodic task last ended well; 0: not since a start", ["task"]
)
task_interval = Gauge("live_task_interval_seconds", "How often a periodic task is to run", ["task"])

heartbeats = Counter("live_heartbeats", "Heartbeats of viewers entered into the presence table")
presence_changes = Counter("live_presence_changes", "Viewers seen to come online or go offline")

published = Counter("live_published", "Events handed to the publisher")
publish_drops = Counter("live_publish_drops", "Events dropped because the broker did not take them")
dispatch_batches = Counter("live_dispatch_batches", "Batches dispatched")
dispatch_events = Counter("live_dispatch_events", "Events dispatched, after coalescing")
wire_refused = Counter(
    "live_wire_refused",
    "Batches in a version of the wire forms that this process does not speak",
)
dispatch_bad = Counter("live_dispatch_bad", "Items of a batch that were no events")
dispatch_messages = Counter("live_dispatch_messages", "Messages sent to nodes")

relay_batches = Counter("live_relay_batches", "Batches that a peer region took", ["peer"])
relay_bytes = Counter("live_relay_bytes", "Bytes of batches that a peer region took", ["peer"])
relay_unwatched = Counter("live_relay_unwatched", "Events not sent to a peer: nobody watches them there", ["peer"])
relay_drops = Counter("live_relay_drops", "Entries given up, left to the peer's reconcile", ["peer", "reason"])
relay_failures = Counter("live_relay_failures", "Requests that a peer did not take", ["peer", "reason"])
relay_open = Gauge("live_relay_open", "1: the peer does not take requests and is left alone for a while", ["peer"])
relay_waiting = Gauge("live_relay_waiting", "Entries that wait for a peer", ["peer"])
relay_received = Counter("live_relay_received", "Events taken from a peer", ["peer"])
relay_rejected = Counter("live_relay_rejected", "Items of a peer's batches that were no events", ["peer"])
relay_duplicates = Counter("live_relay_duplicates", "Batches of a peer that were taken before", ["peer"])
relay_refused = Counter("live_relay_refused", "Requests to the relay that were refused", ["reason"])
relay_seconds = Histogram("live_relay_seconds", "Until a peer has answered a request", ["peer"], buckets=_HOPS)

commit_batch = Histogram(
    "live_commit_batch_size", "Commands a group commit held", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
commit_seconds = Histogram("live_commit_seconds", "Time of a group commit", buckets=_HOPS)
hop_seconds = HopSeconds()
hop_clipped = Counter("live_hop_clipped", "Hops that seemed to end before the event was received, by hop", ["hop"])
samples_started = Counter("live_samples", "Frames written to sampled viewers, which they are to acknowledge")
samples_seen = Counter("live_samples_seen", "Frames of them that were acknowledged")
samples_lost = Counter("live_samples_lost", "Frames of them that were not, within 30 s")
fanout_seconds = Histogram("live_fanout_seconds", "Time to write one batch of frames to all viewers", buckets=_HOPS)
collector_seconds = Histogram(
    "live_collector_seconds", "Time for which Python's cyclic collector stopped the node", buckets=_HOPS
)
loop_lag_seconds = Histogram(
    "live_loop_lag_seconds", "How late the node's event loop was for a timer, five times a second", buckets=_HOPS
)

# To look a label up costs as much as the rest of a count.
frames_sent_of = cache(frames_sent.labels)
http_requests_of = cache(http_requests.labels)
