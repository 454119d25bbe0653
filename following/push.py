"""Messages to browsers: Web Push (RFC 8030), encrypted (RFC 8291), signed with a key of the site (VAPID, RFC 8292).

Called by following.news. A browser names the address of its push service when it says yes. It is only used if it is at
one of `LIVE_PUSH_ORIGINS`: otherwise everybody could have the site send requests to any machine.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from web.refusals import Invalid

logger = logging.getLogger(__name__)

ENDPOINT_MAX = 1_000
AT_ONCE = 50
ANSWER_SECONDS = 10.0
TRIES = 3
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]+)?")
_KEY = re.compile(r"[A-Za-z0-9_-]{22,100}")


@dataclass(frozen=True, slots=True)
class PushAddress:
    """Where one browser of a viewer gets messages, and with which keys they are encrypted for it."""

    id: UUID
    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True)
class PushMessage:
    """What a browser shows. `tag`: of two with the same one it shows the newer one. `ttl`: seconds that it is worth."""

    title: str
    body: str
    path: str
    tag: str
    ttl: int

    def as_json(self) -> bytes:
        return orjson.dumps({"title": self.title, "body": self.body, "path": self.path, "tag": self.tag})


class Delivery(Enum):
    TAKEN = "taken"
    GONE = "gone"
    FAILED = "failed"


@cache
def _signing_key() -> ec.EllipticCurvePrivateKey:
    """Return the site's key: always the same for a SECRET_KEY, so that no process has to keep one."""
    derived = HKDF(hashes.SHA256(), length=48, salt=None, info=b"live.push").derive(settings.SECRET_KEY.encode())
    return ec.derive_private_key(int.from_bytes(derived) % (_ORDER - 1) + 1, ec.SECP256R1())


@cache
def public_key() -> str:
    """Return what a browser must know of the site's key (`applicationServerKey`)."""
    point = _signing_key().public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )  # fmt: skip
    return base64.urlsafe_b64encode(point).decode().rstrip("=")


def check_address(endpoint: str, p256dh: str, auth: str) -> None:
    """Raises Invalid for an address that no push service of ours has, or keys that are none."""
    if len(endpoint) > ENDPOINT_MAX or not _is_allowed(endpoint):
        raise Invalid("The site sends nothing to this push service.", code="unknown_push_service")
    try:
        if not (_KEY.fullmatch(p256dh) and _KEY.fullmatch(auth) and len(_bytes(auth)) == 16):
            raise ValueError
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(p256dh))
    except ValueError:
        raise Invalid("These are no keys of a push subscription.", code="bad_keys") from None


def _is_allowed(endpoint: str) -> bool:
    """`https://*.example.org` admits all names below it."""
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        return False
    if not _HOST.fullmatch(parts.netloc):
        return False
    for origin in settings.LIVE_PUSH_ORIGINS:
        scheme, _, host = origin.partition("://")
        is_below = host.startswith("*.") and parts.netloc.endswith(host.removeprefix("*"))
        if parts.scheme == scheme and (parts.netloc == host or is_below):
            return True
    return False


def _bytes(key: str) -> bytes:
    return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))


async def send_all(messages: Sequence[tuple[PushAddress, PushMessage]]) -> list[tuple[PushAddress, Delivery]]:
    """Send messages, `AT_ONCE` at a time; return what became of each."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, follow_redirects=False) as client:

        async def one(address: PushAddress, message: PushMessage) -> tuple[PushAddress, Delivery]:
            async with turns:
                return address, await _send(client, address, message)

        return await asyncio.gather(*(one(*each) for each in messages))


async def _send(client: httpx.AsyncClient, address: PushAddress, message: PushMessage) -> Delivery:
    body, headers = _encrypted(address, message)
    for again in range(TRIES):
        if again:
            await asyncio.sleep(2**again)
        try:
            answer = await client.post(address.endpoint, content=body, headers=headers)
        except httpx.HTTPError as error:
            logger.debug("push to %s: %r", urlsplit(address.endpoint).netloc, error)
            continue
        if answer.is_success:
            return Delivery.TAKEN
        if answer.status_code in (404, 410):  # RFC 8030, 7.3
            return Delivery.GONE
        if answer.status_code < 500 and answer.status_code != 429:
            logger.warning("push: %s answers %d", urlsplit(address.endpoint).netloc, answer.status_code)
            # Signed with a key that the browser does not know: SECRET_KEY is another one than then.
            return Delivery.GONE if answer.status_code in (401, 403) else Delivery.FAILED
    return Delivery.FAILED


def _encrypted(address: PushAddress, message: PushMessage) -> tuple[bytes, dict[str, str]]:
    from webpush import WebPushSubscription

    keys = {"p256dh": address.p256dh, "auth": address.auth}
    subscription = WebPushSubscription.model_validate({"endpoint": address.endpoint, "keys": keys})
    made = _signer().get(message.as_json(), subscription, ttl=message.ttl)
    # RFC 8030, 5.4: a newer message takes the place of one that the browser has not fetched.
    topic = base64.urlsafe_b64encode(_digest(message.tag)).decode().rstrip("=")
    return made.encrypted, {**made.headers, "topic": topic, "urgency": "high"}


def _digest(tag: str) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(tag.encode())
    return digest.finalize()[:24]


@cache
def _signer() -> Any:
    from webpush import WebPush  # with what it needs 60 ms, for a job that few sites have often

    private = _signing_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = _signing_key().public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    return WebPush(private, public, subscriber=settings.DEFAULT_FROM_EMAIL, ttl=0)
