"""The variables of the environment: each is read and checked, and named where it makes no sense.

Called by liveplatform.settings and liveplatform.account_settings.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError

from host import databases, environment

environment.forget_empty()
env = Env()

PUSH_ORIGIN = (
    r"https?://(\*\.)?(\[[\da-f:.]+\]|[a-z\d.-]+)(:[1-9]\d{0,4})?",
    "origins of push services like https://push.example.org or https://*.example.org",
)
PUSH_SERVICES = [
    *("https://fcm.googleapis.com", "https://updates.push.services.mozilla.com"),
    *("https://*.push.apple.com", "https://*.notify.windows.com"),
]
"""Those of the browsers that people have."""


def read(name: str, kind: Callable[..., Any], default: Any, valid: Callable[[Any], bool], what: str) -> Any:
    """Return the variable's value. Raises `ImproperlyConfigured`, with its name, when it is not `what`."""
    try:
        value = kind(name, default)
    except (EnvError, ValueError):
        value = None
    if value is None or not valid(value):
        raise ImproperlyConfigured(f"{name} must be {what}")
    return value


def integer(name: str, default: int, lowest: int, highest: int) -> int:
    value: int = read(
        name, env.int, default, lambda n: lowest <= n <= highest, f"a whole number from {lowest} to {highest}"
    )
    return value


def share(name: str, default: float) -> float:
    value: float = read(name, env.float, default, lambda share: 0 <= share <= 1, "a share from 0 to 1, like 0.01")
    return value


def switch(name: str, default: bool) -> bool:
    value: bool = read(name, env.bool, default, lambda _: True, "on or off")
    return value


def listed(name: str, default: list[str], each: str, what: str) -> list[str]:
    value: list[str] = read(
        name,
        env.list,
        default,
        lambda items: all(re.fullmatch(each, item) for item in items),
        f"{what}, separated by commas",
    )
    return value


def database_url(name: str, default: str) -> str:
    def valid(text: str) -> bool:
        try:
            return bool(databases.parse(text))
        except databases.UnknownOption as unknown:
            raise ImproperlyConfigured(f"{name} has an option that PostgreSQL does not know: {unknown}") from unknown
        except ValueError:
            return False

    value: str = read(name, env.str, default, valid, "a URL like postgresql://user:password@host:port/name")
    return value


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    def parsed(name: str, default: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        return [ipaddress.ip_network(item) for item in env.list(name, default)]

    value: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = read(
        name, parsed, [], lambda _: True, "networks like 10.0.0.0/24, separated by commas"
    )
    return value
