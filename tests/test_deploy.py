"""What deploy/ says is true: its settings are read, its commands exist, its servers take their configuration."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from host import programs
from host.processes import Program
from tests.machines import environment, needed, unit_program
from tests.sites import answers, free_port, wait_for

UNITS = [
    "liveplatform-node@",
    "liveplatform-dispatcher@",
    "liveplatform-jobs",
    "liveplatform-ingest",
    "liveplatform-relay",
]


@pytest.fixture
def deploy(checkout: Path) -> Path:
    return checkout / "deploy"


@pytest.fixture
def compose(deploy: Path) -> dict[str, dict[str, object]]:
    services: dict[str, dict[str, object]] = yaml.safe_load((deploy / "container/compose.yaml").read_text())["services"]
    return services


def test_every_setting_that_it_sets_is_read(deploy: Path, checkout: Path) -> None:
    settings = "\n".join(path.read_text() for path in (checkout / "liveplatform").glob("*settings.py"))
    read = set(re.findall(r'(?:_?integer|_?switch|_read|_url|_list|env\.\w+)\(\s*"([A-Z_]+)"', settings))
    named = set(environment())
    container = (deploy / "container/Containerfile").read_text()
    named |= set(re.findall(r"\b(LIVE_[A-Z_]+)=", container))
    for path in deploy.rglob("*"):
        if path.is_file():
            named |= set(re.findall(r"\b((?:LIVE_|TRUSTED_|SECURE_)[A-Z_]+)=", path.read_text()))
    assert named <= read
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "TRUSTED_PROXIES"} <= named


@pytest.mark.parametrize("unit", UNITS)
def test_units_start_modules_that_there_are(unit: str) -> None:
    argv = unit_program(unit, instance="1", env={}).argv
    assert importlib.util.find_spec(argv[argv.index("-m") + 1])


@pytest.mark.parametrize(
    ("unit", "program"),
    [
        ("liveplatform-dispatcher@", programs.dispatcher("dispatcher-1")),
        ("liveplatform-jobs", programs.jobs()),
    ],
)
def test_units_start_workers_as_the_site_does(unit: str, program: Program) -> None:
    assert sorted(unit_program(unit, instance="1", env={}).argv) == sorted(program.argv)


def test_the_unit_of_a_whole_site_starts_what_run_does() -> None:
    argv = unit_program("liveplatform", env={}).argv
    assert argv[1:] == ("-u", "manage.py", "serve")


def test_a_unit_waits_as_long_as_a_node_may_take(deploy: Path) -> None:
    text = (deploy / "systemd/liveplatform-node@.service").read_text()
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(seconds) >= programs.DRAIN_SECONDS


def test_systemd_understands_the_units(deploy: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze: none, the units are not verified")
    for unit in (deploy / "systemd").iterdir():
        text = unit.read_text().replace("/opt/liveplatform/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", *map(str, tmp_path.iterdir())], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_containers_start_what_the_units_start(compose: dict[str, dict[str, object]]) -> None:
    def arguments(service: str) -> list[str]:
        command = compose[service]["command"]
        assert isinstance(command, list)
        return sorted(part for part in command if part not in ("python", "-u"))

    units = {"node-1": "node@", "dispatcher": "dispatcher@", **{name: name for name in ("jobs", "ingest", "relay")}}
    for service, unit in units.items():
        argv = unit_program(f"liveplatform-{unit}", instance="8000", env={}).argv[2:]
        assert arguments(service) == sorted(part.replace("dispatcher-8000@", "dispatcher@") for part in argv)
    assert arguments("migrate") == ["manage.py", "migrate"]


def test_machines_have_the_same_names_everywhere(deploy: Path, compose: dict[str, dict[str, object]]) -> None:
    """compose.yaml uses the very files that several machines do."""
    urls = "".join(environment().values()) + (deploy / "nginx/nginx.conf").read_text()
    urls += (deploy / "haproxy/haproxy.cfg").read_text()
    for name in ("database", "redis", "node-1", "node-2"):
        assert re.search(rf"\b{name}:\d", urls)
        assert name in compose


def test_files_that_containers_use_are_there(deploy: Path, compose: dict[str, dict[str, object]]) -> None:
    named = [str(volume).partition(":")[0] for service in compose.values() for volume in service.get("volumes", [])]  # type: ignore[attr-defined]
    missing = [name for name in named if name.startswith(".") and not (deploy / "container" / name).exists()]
    assert named and missing == []


@pytest.mark.parametrize("more", [{}, {"ALLOWED_HOSTS": "live.example.org", "SECURE_COOKIES": "on"}])
def test_containers_have_settings_that_work_as_pasted(
    deploy: Path,
    checkout: Path,
    compose: dict[str, dict[str, Any]],
    tmp_path: Path,
    read_settings: Callable[..., dict[str, Any]],
    more: dict[str, str],
) -> None:
    """`http://localhost` was refused, and nobody could sign in: cookies were for HTTPS, and port 80 all there was."""
    text = (deploy / "container/compose.yaml").read_text()
    [command] = re.findall(r"^#   (\(umask(?:.|\n#)+?\.env\))$", text, re.MULTILINE)
    subprocess.run(["sh", "-ec", command.replace("\n#", "\n")], cwd=tmp_path, check=True)
    made = tmp_path / ".env"
    assert made.stat().st_mode & 0o777 == 0o600
    kept = {**dict(line.split("=", 1) for line in made.read_text().splitlines()), **more}

    def filled(value: str) -> str:
        """Return the text with variables as compose fills them in."""
        return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda found: kept.get(found[1], found[2]), value)

    node = compose["node-1"]
    assert node["env_file"] == ".env"
    given = {name: filled(value) for name, value in node["environment"].items()}
    settings = read_settings(**{**kept, **given, "LIVE_DATA_DIR": str(tmp_path)})
    assert settings["ALLOWED_HOSTS"] == [more.get("ALLOWED_HOSTS", "localhost")]
    assert settings["SESSION_COOKIE_SECURE"] is bool(more)
    assert compose["nginx"]["ports"] == ["80:80"]
    assert urlsplit(settings["DATABASE_URL"]).password == filled(
        compose["database"]["environment"]["POSTGRES_PASSWORD"]
    )
    password = urlsplit(settings["REDIS_URL"]).password
    assert ["--requirepass", password] == [filled(part) for part in compose["redis"]["command"][2:4]]
    assert (
        len({kept[name] for name in ("SECRET_KEY", "DATABASE_PASSWORD", "REDIS_PASSWORD", "LIVE_METRICS_TOKEN")}) == 4
    )
    assert "CHANGE-ME" not in text


def nginx_configuration(folder: Path, deploy: Path, **changed: str) -> list[str]:
    """Have nginx's settings in the folder, with these texts changed; return what starts it with them."""
    shutil.copytree(deploy / "nginx", folder, dirs_exist_ok=True)
    changed |= {"/etc/nginx/tls": str(folder), "/var/log/nginx": str(folder), "/var/cache": str(folder)}
    for path in folder.glob("*.conf"):
        text = re.sub(r"node-\d:", "127.0.0.1:", path.read_text())
        for before, after in changed.items():
            text = text.replace(before, after)
        path.write_text(text)
    user = "user root; " if os.geteuid() == 0 else ""  # no other enters the folders of tests
    return ["nginx", "-c", str(folder / "nginx.conf"), "-g", f"{user}pid {folder}/nginx.pid; daemon off;"]


def test_nginx_takes_its_configuration_with_https(deploy: Path, tmp_path: Path) -> None:
    needed("nginx", "openssl")
    argv = nginx_configuration(tmp_path, deploy, **{"# include tls.conf": "include tls.conf"})
    make = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=site -keyout site.key -out site.pem"
    subprocess.run(shlex.split(make), cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run([*argv, "-t"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


@pytest.mark.parametrize("name", ["answer.json", "live.m3u8", "page.html"])
def test_nginx_compresses_what_is_text_and_tells_caches(deploy: Path, tmp_path: Path, name: str) -> None:
    """JSON and playlists went as they were; and a cache gave the compressed form to those who cannot read it."""
    needed("nginx")
    content = tmp_path / "content"
    content.mkdir()
    (content / name).write_text("#" * 5_000)
    node, port = free_port(), free_port()
    changed = {"127.0.0.1:8000": f"127.0.0.1:{node}", "listen 80 ": f"listen 127.0.0.1:{port} "}
    argv = nginx_configuration(tmp_path / "nginx", deploy, **changed)
    serve = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(content), str(node)]
    with subprocess.Popen(serve, stderr=subprocess.DEVNULL) as upstream, subprocess.Popen(argv) as nginx:
        try:
            url = f"http://127.0.0.1:{port}/{name}"
            wait_for(lambda: answers(url), "nginx and what is behind it")
            answer = httpx.get(url, headers={"Accept-Encoding": "gzip"})
        finally:
            nginx.terminate()
            upstream.terminate()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert len(answer.text) == 5_000


def test_haproxy_takes_its_configuration(deploy: Path, tmp_path: Path) -> None:
    needed("haproxy")
    text = re.sub(r" node-\d:", " 127.0.0.1:", (deploy / "haproxy/haproxy.cfg").read_text())
    (tmp_path / "haproxy.cfg").write_text(text)
    done = subprocess.run(["haproxy", "-c", "-f", str(tmp_path / "haproxy.cfg")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
