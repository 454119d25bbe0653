"""All settings, read from the environment in this file; those of accounts, jobs and languages in files of their own.

A nonsense value raises `ImproperlyConfigured` with one line that names the variable; the entry points
(`manage.py`, `liveplatform.node`) print that line and exit with code 2. README.md lists the variables.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from host import databases, embedded, environment
from liveplatform import __version__
from liveplatform.account_settings import *  # noqa: F403  (Django finds settings in one module)
from liveplatform.account_settings import EMAIL_HOST
from liveplatform.address_settings import *  # noqa: F403
from liveplatform.address_settings import ALONE, BASE_DIR, DATA_DIR, DOMAIN, HOST, LIVE_URL, PORT
from liveplatform.job_settings import *  # noqa: F403
from liveplatform.language_settings import *  # noqa: F403
from liveplatform.variables import PUSH_ORIGIN, PUSH_SERVICES, env
from liveplatform.variables import database_url as _database_url
from liveplatform.variables import integer as _integer
from liveplatform.variables import listed as _list
from liveplatform.variables import networks as _network_list
from liveplatform.variables import read as _read
from liveplatform.variables import share as _share
from liveplatform.variables import switch as _switch
from realtime.conf import DEFAULTS
from realtime.relay.signing import SECRET_MIN_LENGTH, RelayKey
from realtime.table import addresses
from web.store import BucketAddress

environment.forget_empty()

# The process

VERSION = __version__
DEBUG = _switch("DEBUG", False)
LIVE_PROCESSES_DIR = DATA_DIR / "processes"


KEY_MIN_DIFFERENT = 10


def _is_guessable(secret: str) -> bool:
    """Return whether the secret is not random: too few different characters, or one from an example."""
    return len(set(secret)) < KEY_MIN_DIFFERENT or secret.startswith(("CHANGE-ME", "django-insecure-"))


def _secret_key() -> str:
    """Return SECRET_KEY, or the key kept in the data folder (made at the first start)."""
    if key := env.str("SECRET_KEY", ""):
        if len(key) < 32:
            raise ImproperlyConfigured("SECRET_KEY must have at least 32 characters")
        if _is_guessable(key):
            raise ImproperlyConfigured(
                "SECRET_KEY must be random: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return key
    kept = DATA_DIR / "secret_key"
    try:
        if not kept.exists():
            embedded.write_private(kept, secrets.token_urlsafe(48))
        return kept.read_text()
    except OSError as error:
        raise ImproperlyConfigured(f"SECRET_KEY is not set and {kept} cannot be kept: {error.strerror}") from error


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = _list(
    "ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]", socket.gethostname()], r"[^/\s:]+|\[.+\]", "host names"
)
ALLOWED_HOSTS += [name for name in DOMAIN if name not in ALLOWED_HOSTS]
if DEBUG and "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("DEBUG must be off where ALLOWED_HOSTS is *: its pages show code to strangers")
if "*" in ALLOWED_HOSTS and EMAIL_HOST and not LIVE_URL:
    raise ImproperlyConfigured("LIVE_URL must be set where ALLOWED_HOSTS is *: links in mails would name any host")
_ORIGIN = r"(?i)https?://(\[[\da-f:.]+\]|[a-z\d.-]+)(:[1-9]\d{0,4})?", "origins like https://example.org"


def _as_browsers_write(origin: str) -> str:
    origin = origin.lower()
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


# The second is its former name, which Django's forms read.
LIVE_ORIGINS = CSRF_TRUSTED_ORIGINS = [
    _as_browsers_write(origin)
    for origin in (*_list("LIVE_ORIGINS", [], *_ORIGIN), *_list("CSRF_TRUSTED_ORIGINS", [], *_ORIGIN))
]
TRUSTED_PROXIES = _integer("TRUSTED_PROXIES", DEFAULTS["TRUSTED_PROXIES"], 0, 8)
LIVE_METRICS_TOKEN = _read(
    "LIVE_METRICS_TOKEN",
    env.str,
    "",
    lambda token: not token or (re.fullmatch(r"[!-~]{16,}", token) is not None and not _is_guessable(token)),
    "a random text of 16 characters or more, without spaces",
)

# The platform


def _peers() -> dict[str, str]:
    """Return the other regions with their relays' addresses. Raises `ImproperlyConfigured` with the variable's name."""
    found: dict[str, str] = {}
    for item in _list(
        "LIVE_PEERS", [], r"[^=\s]+=[^=\s]+", "regions and addresses like us=https://relay.us.example.org"
    ):
        name, _, url = item.partition("=")
        parts = urlsplit(url)
        try:
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address or "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
            raise ImproperlyConfigured(f"LIVE_PEERS: {name} needs an address like https://relay.us.example.org")
        if not _is_region(name) or name == LIVE_REGION or name in found:
            raise ImproperlyConfigured(f"LIVE_PEERS: {name} is no region, this one (LIVE_REGION), or named twice")
        if parts.scheme == "http" and not LIVE_RELAY_PLAIN and not _is_loopback(parts.hostname or ""):
            raise ImproperlyConfigured(
                f"LIVE_PEERS: {name} needs https (LIVE_RELAY_PLAIN=on where the network between encrypts by itself)"
            )
        found[name] = f"{parts.scheme}://{parts.netloc}"
    return found


def _is_region(name: str) -> bool:
    return name.isidentifier() and name.isascii() and len(name) <= 32


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _relay_keys() -> list[RelayKey]:
    """Return the keys shared with peers. Raises `ImproperlyConfigured` with the variable's name and no secret."""
    each = r"[^:,\s]+:[^:,\s]+:[^:,\s]+"
    items = _list("LIVE_RELAY_KEYS", [], each, "keys like us:2026-11:<secret>, the secret without colons")
    keys = [RelayKey(*item.split(":")) for item in items]
    for key in keys:
        if len(key.secret) < SECRET_MIN_LENGTH:
            raise ImproperlyConfigured(
                f"LIVE_RELAY_KEYS: the secret of {key.region}:{key.id} needs {SECRET_MIN_LENGTH} characters at least"
            )
        if _is_guessable(key.secret):
            raise ImproperlyConfigured(f"LIVE_RELAY_KEYS: the secret of {key.region}:{key.id} must be random")
        if key.secret == SECRET_KEY:
            raise ImproperlyConfigured(f"LIVE_RELAY_KEYS: the secret of {key.region}:{key.id} must not be SECRET_KEY")
        if key.region not in LIVE_PEERS:
            raise ImproperlyConfigured(f"LIVE_RELAY_KEYS: {key.region} is not among LIVE_PEERS")
        if not re.fullmatch(r"[\w.-]{1,64}", key.id, re.ASCII):
            raise ImproperlyConfigured("LIVE_RELAY_KEYS: a key's id has letters, digits, dots and dashes only")
    if len({(key.region, key.id) for key in keys}) < len(keys) or len({key.secret for key in keys}) < len(keys):
        raise ImproperlyConfigured("LIVE_RELAY_KEYS: each key needs an id and a secret of its own")
    if missing := LIVE_PEERS.keys() - {key.region for key in keys}:
        raise ImproperlyConfigured(f"LIVE_RELAY_KEYS: there is no key for {min(missing)}")
    return keys


LIVE_RELAY_PLAIN = _switch("LIVE_RELAY_PLAIN", False)
LIVE_REGION = _read(
    "LIVE_REGION", env.str, DEFAULTS["LIVE_REGION"], _is_region, "a short name of letters, digits and _"
)
LIVE_PEERS = _peers()
LIVE_RELAY_KEYS = _relay_keys()
LIVE_RELAY_HOST = env.str("LIVE_RELAY_HOST", DEFAULTS["LIVE_RELAY_HOST"])
LIVE_RELAY_PORT = _integer("LIVE_RELAY_PORT", 8100 if ALONE else min(PORT + 100, 65535), 1, 65535)
LIVE_FRAME_MS = _integer("LIVE_FRAME_MS", DEFAULTS["LIVE_FRAME_MS"], 10, 10_000)
LIVE_NODES = _integer("LIVE_NODES", 2, 1, 64)
LIVE_DRAIN_SECONDS = _integer("LIVE_DRAIN_SECONDS", DEFAULTS["LIVE_DRAIN_SECONDS"], 0, 600)
LIVE_KEPT_MB = _integer("LIVE_KEPT_MB", DEFAULTS["LIVE_KEPT_MB"], 1, 100_000)
LIVE_PRESENCE_SECONDS = _integer("LIVE_PRESENCE_SECONDS", DEFAULTS["LIVE_PRESENCE_SECONDS"], 1, 300)
LIVE_COUNT_AFTER_SECONDS = _integer("LIVE_COUNT_AFTER_SECONDS", DEFAULTS["LIVE_COUNT_AFTER_SECONDS"], 0, 60)
LIVE_SAMPLE = _share("LIVE_SAMPLE", DEFAULTS["LIVE_SAMPLE"])
LIVE_KEEP_SEGMENTS_HOURS = _integer("LIVE_KEEP_SEGMENTS_HOURS", 24, 0, 10 * 366 * 24)
# IPv4, where nodes take both: the servers of the ingest take one of them.
LIVE_RTMP_HOST = env.str("LIVE_RTMP_HOST", "0.0.0.0" if HOST == "::" else HOST)
# RTMP's own port, for one site a machine. 0: no encoder can send.
LIVE_RTMP_PORT = _integer("LIVE_RTMP_PORT", 1935 if ALONE else min(PORT + 200, 65535), 0, 65535)
# Where the nodes pass on what browsers record, and where the ingest takes it. 0: nobody can send from a page.
LIVE_PAGE_HOST = env.str("LIVE_PAGE_HOST", "127.0.0.1")
LIVE_PAGE_PORT = _integer("LIVE_PAGE_PORT", 1936 if ALONE else min(PORT + 300, 65534), 0, 65535)
LIVE_RTMP_URL = _read(
    "LIVE_RTMP_URL",
    env.str,
    "",
    lambda url: not url or re.fullmatch(r"rtmps?://[^/\s]+/\S+", url) is not None,
    "the address that encoders know, like rtmp://example.org/live",
)
# UDP. With the same number as RTMP it is free where that is.
LIVE_SRT_PORT = _integer("LIVE_SRT_PORT", LIVE_RTMP_PORT, 0, 65535)
LIVE_SRT_URL = _read(
    "LIVE_SRT_URL",
    env.str,
    "",
    lambda url: not url or re.fullmatch(r"srt://[^/?\s]+:[1-9]\d{0,4}", url) is not None,
    "the address that encoders know, like srt://example.org:1935",
)
LIVE_LADDER = sorted({int(lines) for lines in _list("LIVE_LADDER", [], r"[1-9]\d{2,3}", "heights like 480,720")})[::-1]
LIVE_PLAYLIST_ORIGINS = [_as_browsers_write(origin) for origin in _list("LIVE_PLAYLIST_ORIGINS", [], *_ORIGIN)]
_PULLED = _ORIGIN[0].replace("https?", "(https?|rtsp)"), "origins like rtsp://camera.example.org"
LIVE_PULL_ORIGINS = [origin.lower() for origin in _list("LIVE_PULL_ORIGINS", [], *_PULLED)]
LIVE_PULL_NETWORKS = _network_list("LIVE_PULL_NETWORKS")
LIVE_PUSH_ORIGINS = _list("LIVE_PUSH_ORIGINS", PUSH_SERVICES, *PUSH_ORIGIN)
LIVE_SECOND_ENCODER = _read(
    "LIVE_SECOND_ENCODER", env.str, "refuse", ("refuse", "replace").__contains__, "refuse or replace"
)
LIVE_RESERVE_MB = _integer("LIVE_RESERVE_MB", 1024, 0, 100_000_000)
LIVE_RECORDINGS_DAYS = _integer("LIVE_RECORDINGS_DAYS", 0, 0, 36_500)  # 0: for ever
LIVE_INGEST_MAX_MBPS = _integer("LIVE_INGEST_MAX_MBPS", 30, 1, 1_000)
LIVE_END_AFTER_SECONDS = _integer("LIVE_END_AFTER_SECONDS", 600, 60, 86_400)
LIVE_SCREENING = _read(
    "LIVE_SCREENING",
    env.str,
    "",
    lambda path: not path or re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", path) is not None,
    "the dotted path of a callable, like robots.comments.look",
)
LIVE_DEMO = _switch("LIVE_DEMO", True)
DEMO_VIDEO = "videos.demo"  # the module that has the demo broadcast's video (host.demo)

LIVE_RENEW_SECONDS = DEFAULTS["LIVE_RENEW_SECONDS"]
LIVE_LEASE_SECONDS = DEFAULTS["LIVE_LEASE_SECONDS"]

# Limits, each in the memory of a node (realtime.conf, realtime.limits).

LIVE_LIMITS = _switch("LIVE_LIMITS", DEFAULTS["LIVE_LIMITS"])
LIVE_STREAMS_PER_ADDRESS = _integer("LIVE_STREAMS_PER_ADDRESS", DEFAULTS["LIVE_STREAMS_PER_ADDRESS"], 1, 1_000_000)
LIVE_STREAMS_PER_VIEWER = _integer("LIVE_STREAMS_PER_VIEWER", DEFAULTS["LIVE_STREAMS_PER_VIEWER"], 1, 1_000_000)
LIVE_DEVICES_PER_ADDRESS = _integer("LIVE_DEVICES_PER_ADDRESS", 600, 1, 1_000_000)  # an hour, and so many at once
LIVE_CONNECTS_PER_ADDRESS = _integer("LIVE_CONNECTS_PER_ADDRESS", DEFAULTS["LIVE_CONNECTS_PER_ADDRESS"], 1, 1_000_000)
LIVE_IDLE_PER_ADDRESS = _integer("LIVE_IDLE_PER_ADDRESS", DEFAULTS["LIVE_IDLE_PER_ADDRESS"], 1, 1_000_000)
LIVE_GUESTS_PER_ADDRESS = _integer("LIVE_GUESTS_PER_ADDRESS", 300, 1, 1_000_000)  # a minute, and so many at once
LIVE_LOGINS_PER_ADDRESS = _integer("LIVE_LOGINS_PER_ADDRESS", 20, 1, 1_000_000)  # a minute, and so many at once

# Servers: absent URLs mean the embedded ones of this checkout.

DATABASE_URL = _database_url("DATABASE_URL", embedded.database_url(DATA_DIR))
REDIS_URL = _read(
    "REDIS_URL",
    env.str,
    embedded.redis_url(DATA_DIR),
    addresses.is_valid,
    "a URL like redis://:password@host:port/0 or sentinel://:password@host:port,host:port/name;"
    f" options are of rediss:// alone: {', '.join(addresses.TLS_OPTIONS)}",
)
LIVE_LAYER_URLS = _read(
    "LIVE_LAYER_URLS", env.str, REDIS_URL, addresses.is_valid_list, "URLs like REDIS_URL's, separated by commas"
)
for _name, _urls in (("REDIS_URL", REDIS_URL), ("LIVE_LAYER_URLS", LIVE_LAYER_URLS)):
    for _address in addresses.parse_list(_urls):
        try:
            _address.check_files()
        except ValueError as error:
            raise ImproperlyConfigured(f"{_name}: {error}") from error
LIVE_PGBOUNCER = _switch("LIVE_PGBOUNCER", DEFAULTS["LIVE_PGBOUNCER"])

DATABASES = {"default": databases.django_settings(DATABASE_URL, pgbouncer=LIVE_PGBOUNCER)}
if "DATABASE_REPLICA_URL" in os.environ:
    # Nodes read it when they look for what they have missed (realtime.log.database). It is not migrated.
    _replica_url = _database_url("DATABASE_REPLICA_URL", "")
    DATABASES["replica"] = {
        **databases.django_settings(_replica_url, pgbouncer=LIVE_PGBOUNCER),
        "TEST": {"MIRROR": "default"},
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")

# Django

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "channels",
    "liveplatform",
    "host",
    "realtime",
    "accounts",
    "moderation",
    "screening",
    "videos",
    "messaging",
    "notices",
    "following",
    "polls",
    "loadtest",
]

MIDDLEWARE = [
    "web.middleware.security_headers",
    "web.middleware.checked_characters",
    "web.middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.languages.of_account",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "web.middleware.Outages",
]
# Each middleware of Django hands a request over to a thread and back. So the API, and the pages that stay on the event
# loop (liveplatform/asgi.py), do sessions and CSRF by themselves (web/door.py).
API_MIDDLEWARE = ["web.middleware.security_headers", "web.middleware.json_errors"]
PAGES_MIDDLEWARE = ["web.middleware.security_headers", "web.middleware.checked_characters"]

ROOT_URLCONF = "liveplatform.urls"
ASGI_APPLICATION = "liveplatform.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"i18n": "web.translate"},
        },
    }
]

AUTH_USER_MODEL = "accounts.Viewer"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
SESSION_ENGINE = "web.sessions"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 90
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    "templates.W003",  # the tags of i18n are those of web.translate
    "security.W001",  # no SecurityMiddleware: web.middleware sends its headers, on the API and media too
    "security.W002",  # no XFrameOptionsMiddleware: the same
    "security.W005",  # HSTS of subdomains: what else is below the name is not ours to decide
    "security.W008",  # who has the certificate redirects to HTTPS: liveplatform.https, or a proxy
    "security.W009",  # SECRET_KEY: checked above
    "security.W021",  # HSTS preloading: as W005
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {"staticfiles": {"BACKEND": "liveplatform.assets.VersionedStorage"}}
# Segments of live broadcasts: <MEDIA_ROOT>/<video id>/live.m3u8, served at /media/.
MEDIA_ROOT = (BASE_DIR / folder).resolve() if (folder := env.str("LIVE_MEDIA_DIR", "")) else DATA_DIR / "media"


_BUCKET = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w./-]*)?"
_SERVER = r"https?://[^/\s@]+/?"


def _bucket() -> BucketAddress | None:
    """Return where recordings are kept; None: in MEDIA_ROOT. Raises `ImproperlyConfigured`."""
    place = _read(
        "LIVE_MEDIA_STORAGE",
        env.str,
        "folder",
        lambda text: text == "folder" or re.fullmatch(_BUCKET, text) is not None,
        "folder, or a bucket like s3://recordings or s3://recordings/live",
    )
    endpoint = _read(
        "LIVE_STORAGE_ENDPOINT",
        env.str,
        "",
        lambda url: not url or re.fullmatch(_SERVER, url) is not None,
        "the address of an S3-compatible server, like https://s3.example.org",
    )
    region = env.str("LIVE_STORAGE_REGION", "")
    key, secret = env.str("LIVE_STORAGE_KEY", ""), env.str("LIVE_STORAGE_SECRET", "")
    if bool(key) != bool(secret):
        raise ImproperlyConfigured("LIVE_STORAGE_KEY and LIVE_STORAGE_SECRET are set both, or neither")
    if place == "folder":
        return None
    name, _, prefix = place.removeprefix("s3://").partition("/")
    return BucketAddress(name, prefix.strip("/"), endpoint.rstrip("/"), region, key, secret)


LIVE_BUCKET = _bucket()
LIVE_MEDIA_FROM = [
    url.rstrip("/")
    for url in _list("LIVE_MEDIA_FROM", [], _SERVER, "addresses of the machines of ingests, like http://node-1:8000")
]
LIVE_MEDIA_CACHE_MB = _integer("LIVE_MEDIA_CACHE_MB", 1024, 100, 100_000_000)

# Logs: one line each. The supervisor, or systemd, adds the name of the process.

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_LEVEL = _read("LOG_LEVEL", env.str, "INFO", LOG_LEVELS.__contains__, f"one of {', '.join(LOG_LEVELS)}")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "liveplatform.logs.LineFormatter"}},
    # The client has got the 503. A line for each would help to fill a disk that is full already.
    "filters": {
        "no_outages": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", 0) != 503,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "daphne": {"level": "WARNING"},
        "django.request": {"level": "ERROR", "filters": ["no_outages"]},
        "celery": {"level": "WARNING"},
        # While Redis is away it logs a traceback each second; realtime.node.listening logs one line.
        "channels_redis": {"level": "CRITICAL"},
        "kombu": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "asyncio": {"level": "WARNING"},
    },
}

# Last, when all names have been read. Each process of the site runs this.
environment.say_doubts(env.dump())
