"""The names and values of the environment: which are settings, and which only look like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from host import environment

Read = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVE_NODES", "0"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 40),
        ("SECRET_KEY", "CHANGE-ME-to-a-key-of-at-least-32-characters"),
        ("LIVE_METRICS_TOKEN", "a" * 16),
        ("LIVE_DEMO", "perhaps"),
        ("LIVE_ORIGINS", "example.org"),
        ("LIVE_ORIGINS", "https://example.org/page"),
        ("LIVE_ORIGINS", "*"),
        ("LIVE_MEDIA_STORAGE", "recordings"),
        ("LIVE_MEDIA_STORAGE", "s3://"),
        ("LIVE_STORAGE_ENDPOINT", "s3.example.org"),
        ("LIVE_MEDIA_FROM", "http://node-1:8000/media/"),
    ],
)
def test_a_nonsense_value_is_refused_with_its_name(read_settings: Read, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{name} must "):
        read_settings(**{name: value})


def test_a_name_that_is_nearly_right_is_said_with_the_right_one(
    read_settings: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    """`LIVE_NODE=3` was ignored without a word, and so was `Live_Nodes=3`."""
    names = "LIVE_NODE PORTS NODES LIVE_QWERTZ Live_Nodes live_qwertz HOSTNAME POST LIVE_NODES"
    read_settings(**dict.fromkeys(names.split(), "3"))
    assert capsys.readouterr().err.splitlines() == [
        "liveplatform: LIVE_NODE is no setting: is LIVE_NODES meant?",
        "liveplatform: LIVE_QWERTZ is no setting",
        "liveplatform: Live_Nodes is no setting: is LIVE_NODES meant?",
        "liveplatform: NODES is no setting: is LIVE_NODES meant?",
        "liveplatform: PORTS is no setting: is PORT meant?",
    ]
    read_settings()
    assert capsys.readouterr().err == "", "the site's other processes need not say it again"


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"PORT": "80"}, 30 * 86_400),
        ({"PORT": "8000"}, 0),
        ({"PORT": "80", "LIVE_TLS_PORT": "8443"}, 0),
        ({"PORT": "8000", "LIVE_HSTS_SECONDS": "60"}, 60),
    ],
)
def test_browsers_hold_to_https_only_where_its_port_is_the_usual_one(
    read_settings: Read, variables: dict[str, str], seconds: int
) -> None:
    """With 8000 and 8443 each address of before was out of reach after one visit: by HTTPS, at the port of HTTP."""
    found = read_settings(**variables, LIVE_TLS_CERT="own.pem", LIVE_TLS_KEY="key.pem")
    assert (found["SECURE_HSTS_SECONDS"], found["SECURE_COOKIES"]) == (seconds, True)


def test_http_and_https_need_a_port_each(read_settings: Read) -> None:
    with pytest.raises(ImproperlyConfigured, match="LIVE_TLS_PORT and PORT are the same"):
        read_settings(PORT="8000", LIVE_TLS_PORT="8000", LIVE_TLS_CERT="own.pem", LIVE_TLS_KEY="key.pem")


def test_a_name_makes_a_site_for_the_internet(read_settings: Read) -> None:
    found = read_settings(DOMAIN="Live.example.org, www.example.org,live.example.org")
    assert found["DOMAIN"] == ["live.example.org", "www.example.org"]
    assert (found["PORT"], found["LIVE_TLS_PORT"], found["LIVE_URL"]) == (80, 443, "https://live.example.org")
    assert found["HOST"] in ("::", "0.0.0.0")
    assert {"live.example.org", "www.example.org", "localhost"} <= {*found["ALLOWED_HOSTS"]}
    assert (found["SECURE_COOKIES"], found["SECURE_HSTS_SECONDS"]) == (True, 30 * 86_400)
    assert found["LIVE_TLS_CERT"] == found["LIVE_TLS_KEY"] == found["DATA_DIR"] / "acme" / "site.pem"
    assert (found["LIVE_RTMP_PORT"], found["LIVE_PAGE_PORT"], found["LIVE_RELAY_PORT"]) == (1935, 1936, 8100)


def test_what_is_set_besides_a_name_holds(read_settings: Read) -> None:
    others = {"HOST": "10.0.0.7", "PORT": "8080", "LIVE_TLS_PORT": "8443", "ALLOWED_HOSTS": "other.example.org"}
    found = read_settings(DOMAIN="live.example.org", **others)
    assert (found["HOST"], found["PORT"], found["LIVE_TLS_PORT"]) == ("10.0.0.7", 8080, 8443)
    assert found["LIVE_URL"] == "https://live.example.org:8443"
    assert found["ALLOWED_HOSTS"] == ["other.example.org", "live.example.org"]
    assert found["SECURE_HSTS_SECONDS"] == 0


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("203.0.113.7", "is an address of a machine"),
        ("[2001:db8::1]", "is an address of a machine"),
        ("2001:db8::1", "is an address of a machine"),
        ("https://live.example.org", "has a scheme"),
        ("live.example.org:443", "has a port"),
        ("*.example.org", "is a wildcard"),
        ("münchen.example", "must be written in ASCII"),
        ("live_example.org", "is no host name"),
        ("live..example.org", "is no host name"),
        ("live.example.org.", "is no host name"),
        ("-live.example.org", "is no host name"),
        ("live.example.org/studio", "is no host name"),
        ("1.2.3", "is no host name"),
        ("live.example.org,localhost", "'localhost' is a name for this network alone"),
        (f"{'x' * 64}.example.org", "is no host name"),
        (",", "is no host name"),
        (",".join(f"n{n}.example.org" for n in range(101)), "too many for one certificate"),
    ],
)
def test_a_name_that_nobody_certifies_is_refused_in_one_line(read_settings: Read, name: str, why: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^DOMAIN: .*{why}[^\n]*$"):
        read_settings(DOMAIN=name)


def test_an_authority_of_ones_own_may_know_names_of_ones_own(read_settings: Read) -> None:
    assert read_settings(DOMAIN="live", LIVE_ACME_DIRECTORY="https://ca.lan/directory")["DOMAIN"] == ["live"]


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"LIVE_TLS_CERT": "own.pem", "LIVE_TLS_KEY": "key.pem"}, "DOMAIN and LIVE_TLS_CERT exclude each other"),
        ({"LIVE_TLS_KEY": "key.pem"}, "DOMAIN and LIVE_TLS_CERT exclude each other"),
        ({"PORT": "443"}, "LIVE_TLS_PORT and PORT are the same"),
        ({"LIVE_ACME_DIRECTORY": "http://authority.example.org/directory"}, "LIVE_ACME_DIRECTORY must be"),
        ({"LIVE_ACME_DIRECTORY": "letsencrypt"}, "LIVE_ACME_DIRECTORY must be"),
        ({"LIVE_ACME_EMAIL": "me"}, "LIVE_ACME_EMAIL must be an e-mail address"),
        ({"LIVE_ACME_CA": "/nowhere/root.pem"}, "LIVE_ACME_CA: /nowhere/root.pem cannot be read"),
    ],
)
def test_settings_that_do_not_fit_a_name_are_refused(read_settings: Read, variables: dict[str, str], line: str) -> None:
    if "PORT" in variables:
        variables = {**variables, "LIVE_TLS_PORT": "443"}
    with pytest.raises(ImproperlyConfigured, match=f"^{line}"):
        read_settings(DOMAIN="live.example.org", **variables)


def test_an_empty_variable_counts_as_absent(read_settings: Read) -> None:
    """With `ALLOWED_HOSTS=` the site started, and waited for ever for its own /readyz, which answered 400."""
    names = ("ALLOWED_HOSTS", "PORT", "HOST", "LIVE_RELAY_HOST", "LIVE_NODES", "LIVE_MEDIA_DIR", "DATABASE_REPLICA_URL")
    found = read_settings(**dict.fromkeys(names, ""))
    assert "localhost" in found["ALLOWED_HOSTS"]
    assert (found["HOST"], found["PORT"], found["LIVE_NODES"]) == ("127.0.0.1", 8000, 2)
    assert found["LIVE_RELAY_HOST"] == "127.0.0.1"
    assert list(found["DATABASES"]) == ["default"]


def test_every_setting_is_known_before_settings_are_read(read_settings: Read) -> None:
    names = set(read_settings(DATABASE_REPLICA_URL="postgresql://replica/live")["env"].dump())
    assert {name for name in names if not name.startswith(environment.PREFIX)} == environment.NAMES
