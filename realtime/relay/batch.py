"""What relays send each other: a batch of events in wire form, and the digest of what a region watches.

Hop: between the relays of two regions. No I/O, no framework. Bodies are msgpack, compressed (zlib) where it pays.
Events stay packed from the dispatcher that took them in to the peer that unpacks them, so nothing is built twice.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from realtime.registry import registry

VERSION = 1
HOPS_MAX = 2
BODY_MAX_BYTES = 4 * 1024 * 1024  # on the wire
UNPACKED_MAX_BYTES = 16 * 1024 * 1024
EVENTS_MAX = 10_000
EVENT_MAX_BYTES = 1024 * 1024
DEPTH_MAX = 16
ENTRY_MAX_BYTES = 256 * 1024
COMPRESS_FROM_BYTES = 1_024
ZLIB_LEVEL = 1  # a third of the bytes of JSON in a tenth of the time of the default
HEARTBEAT = "h"
"""Letter of `["h", topic]`: the viewer whose presence the topic has is online in the region that says so."""

_BATCH_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Rejection(Exception):
    """A refused request of a peer. HTTP status, code and text are for the peer."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


@dataclass(slots=True)
class Batch:
    """Events of one region. `id` stays the same when it is sent again.

    `groups` are stamps (realtime.dispatch.dispatcher) and the events that share them. `rejected` are the places of
    items that are no events, counted over all groups, with the reason. The others are taken.
    """

    id: str
    origin: str
    hops: int
    groups: list[tuple[dict[str, Any], list[list[Any]]]] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(events) for _, events in self.groups)


def encode_batch(id: str, origin: str, entries: Sequence[bytes]) -> bytes:
    """Return the body of a batch. Entries are packed already, each `[stamps, events]` (`pack_entries`)."""
    packer = msgpack.Packer()
    head = b"".join(packer.pack(part) for part in (VERSION, id, origin, 1))
    return compress(b"".join((b"\x95", head, packer.pack_array_header(len(entries)), *entries)))


def pack_entries(stamps: Mapping[str, Any], packed_events: Sequence[bytes]) -> Iterator[bytes]:
    """Return `[stamps, events]` of events that are packed already, in entries of at most `ENTRY_MAX_BYTES` where
    single events allow it.
    """
    packer = msgpack.Packer()
    head = b"\x92" + packer.pack(dict(stamps))
    start = size = 0
    for place, packed in enumerate(packed_events):
        if size + len(packed) > ENTRY_MAX_BYTES and place > start:
            yield b"".join((head, packer.pack_array_header(place - start), *packed_events[start:place]))
            start, size = place, 0
        size += len(packed)
    yield b"".join((head, packer.pack_array_header(len(packed_events) - start), *packed_events[start:]))


def decode_batch(body: bytes) -> Batch:
    """Return the batch of a body. Raises Rejection, also for a body that is too large unpacked."""
    match _unpacked(body):
        case [int(version), *_] if version != VERSION:
            raise Rejection(400, "unknown_version", f"This region understands version {VERSION}.")
        case [_, str(id), str(origin), int(hops), list(entries)] if _BATCH_ID.fullmatch(id):
            batch = Batch(id, origin, hops)
        case _:
            raise Rejection(400, "not_a_batch", "The body is no batch of events.")
    count = 0
    for entry in entries:
        match entry:
            case [dict(stamps), list(items)] if all(map(_is_stamp, stamps.items())):
                pass
            case _:
                raise Rejection(400, "not_a_batch", "The body is no batch of events.")
        if count + len(items) > EVENTS_MAX:
            raise Rejection(413, "too_many_events", f"A batch has {EVENTS_MAX} events at most.")
        events = []
        for place, item in enumerate(items, start=count):
            if reason := _why_no_event(item):
                batch.rejected.append((place, reason))
            else:
                events.append(item)
        count += len(items)
        batch.groups.append((stamps, events))
    return batch


def _is_stamp(stamp: tuple[object, object]) -> bool:
    name, value = stamp
    return isinstance(name, str) and len(name) < 32 and isinstance(value, (int, str)) and len(str(value)) < 64


def _why_no_event(item: object) -> str:
    """Return why an item cannot be dispatched, or "" if it can. The nodes check its fields, as for any event."""
    match item:
        case [str(letter), str(topic), *_]:
            pass
        case _:
            return "not_an_event"
    if not registry.is_topic(topic):
        return "unknown_topic"
    if letter == HEARTBEAT and not _is_presence(topic):
        return "not_an_event"
    if _depth(item) > DEPTH_MAX:
        return "not_an_event"
    return ""


def _is_presence(topic: str) -> bool:
    prefix = registry.presence_prefix
    return bool(prefix) and topic.startswith(prefix)


def _depth(value: object, at: int = 1) -> int:
    """Return how deep lists and maps are nested, as far as it matters."""
    parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return max((_depth(part, at + 1) for part in parts), default=at) if at <= DEPTH_MAX else at


def encode_digest(bitmap: bytes, counts: Mapping[str, tuple[int, int]]) -> bytes:
    """Return the body for a peer: what is watched here, and how many viewers (count, peak) topics have."""
    return compress(msgpack.packb([VERSION, bitmap, dict(counts)]))


def decode_digest(body: bytes, *, bitmap_bytes: int) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """Return bitmap and counts of a digest. Raises Rejection."""
    match _unpacked(body):
        case [int(version), *_] if version != VERSION:
            raise Rejection(400, "unknown_version", f"This region understands version {VERSION}.")
        case [_, bytes(bitmap), dict(counts)] if len(bitmap) == bitmap_bytes:
            pass
        case _:
            raise Rejection(400, "not_a_digest", "The body is no digest of what a region watches.")
    found: dict[str, tuple[int, int]] = {}
    for topic, numbers in counts.items():
        match topic, numbers:
            case str(name), [int(count), int(peak)] if (
                registry.is_topic(name) and 0 <= count < 2**40 and 0 <= peak < 2**40
            ):
                found[name] = (count, peak)
            case _:
                raise Rejection(400, "not_a_digest", "A number of viewers is no number of a topic's viewers.")
    return bitmap, found


def compress(packed: bytes) -> bytes:
    """Return the body: one byte that says how it is packed, then msgpack, compressed where it pays."""
    if len(packed) >= COMPRESS_FROM_BYTES and len(squeezed := zlib.compress(packed, ZLIB_LEVEL)) < len(packed):
        return b"z" + squeezed
    return b"m" + packed


def _unpacked(body: bytes) -> Any:
    """Raises Rejection. Never uses more than `UNPACKED_MAX_BYTES`, whatever a small body claims."""
    how, packed = body[:1], body[1:]
    if how == b"z":
        unzip = zlib.decompressobj()
        try:
            packed = unzip.decompress(packed, UNPACKED_MAX_BYTES)
        except zlib.error as error:
            raise Rejection(400, "not_a_batch", "The body cannot be decompressed.") from error
        if unzip.unconsumed_tail:
            raise Rejection(413, "too_large", f"A body has {UNPACKED_MAX_BYTES} bytes unpacked at most.")
    elif how != b"m":
        raise Rejection(400, "not_a_batch", "The body is of no known kind.")
    try:
        # Whatever a header claims, nothing can be larger than what is there; ext types are refused.
        return msgpack.unpackb(
            packed,
            ext_hook=_refuse_extension,
            timestamp=0,
            strict_map_key=True,
            max_str_len=EVENT_MAX_BYTES,
            max_bin_len=EVENT_MAX_BYTES,
            max_array_len=2 * EVENTS_MAX,
            max_map_len=2 * EVENTS_MAX,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException, RecursionError, TypeError) as error:
        raise Rejection(400, "not_a_batch", "The body is no msgpack, or holds something too large.") from error


def _refuse_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code}")
