"""What a process counts, in Prometheus' form; `/metrics` shows it."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

_HOPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

connections = Gauge("live_connections", "Connections held now", ["protocol"])
topics = Gauge("live_topics", "Topics this node serves now")
frames_sent = Counter("live_frames_sent", "Frames written to connections", ["event"])
bytes_sent = Counter("live_bytes_sent", "Bytes of frames written to connections")
mailbox_drops = Counter("live_mailbox_drops", "Frames and connections given up for slow viewers", ["reason"])
refused = Counter("live_connections_refused", "Connections refused", ["reason"])
gaps_found = Counter("live_gaps_found", "Times a durable event was missing")
gaps_repaired = Counter("live_gaps_repaired", "Durable events fetched from the database after a gap")
resets = Counter("live_resets", "Snapshots sent in place of missed events", ["reason"])
topic_loads = Counter("live_topic_loads", "Topics read from the database for a first viewer")
unknown_events = Counter("live_unknown_events", "Messages of the layer that this version does not know")
table_errors = Counter("live_table_errors", "Shared table calls that failed")
store_errors = Counter("live_store_errors", "Database calls of the node that failed")

heartbeats = Counter("live_heartbeats", "Heartbeats of viewers entered into the presence table")
presence_changes = Counter("live_presence_changes", "Viewers seen to come online or go offline")

published = Counter("live_published", "Events handed to the publisher")
publish_drops = Counter("live_publish_drops", "Events dropped because the broker did not take them")
dispatch_batches = Counter("live_dispatch_batches", "Batches dispatched")
dispatch_events = Counter("live_dispatch_events", "Events dispatched, after coalescing")
dispatch_bad = Counter("live_dispatch_bad", "Items of a batch that were no events")
dispatch_messages = Counter("live_dispatch_messages", "Messages sent to nodes")

commit_batch = Histogram(
    "live_commit_batch_size", "Commands a group commit held", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
commit_seconds = Histogram("live_commit_seconds", "Time of a group commit", buckets=_HOPS)
arrival_seconds = Histogram(
    "live_arrival_seconds", "From the at_ms of likes to their arrival at the node, from the dispatcher", buckets=_HOPS
)
fanout_seconds = Histogram("live_fanout_seconds", "Time to write one batch of frames to all viewers", buckets=_HOPS)
collector_seconds = Histogram(
    "live_collector_seconds", "Time for which Python's cyclic collector stopped the node", buckets=_HOPS
)
loop_lag_seconds = Histogram(
    "live_loop_lag_seconds", "How late the node's event loop was for a timer, 20 times a second", buckets=_HOPS
)
delivery_seconds = Histogram(
    "live_delivery_seconds", "From the event's at_ms to the first write to a viewer, by event", ["event"], buckets=_HOPS
)

# Looking a label up costs as much as the rest of a count.
frames_sent_of = cache(frames_sent.labels)
delivery_seconds_of = cache(delivery_seconds.labels)
