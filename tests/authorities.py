"""An authority for certificates, for tests: Caddy's, as everybody would ask it. It is on a machine (tests.machines)."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from host.certificates.kept import KeptCertificate
from host.certificates.own import FoundCertificate, parse_certificate
from host.processes import Child, Program
from tests.machines import Machine, machines
from tests.sites import wait_for
from tests.watching import HANG_SECONDS

NAME, PORT = "authority.example.org", 14_000
CADDYFILE = f"""{{
	admin off
	auto_https disable_redirects
	storage file_system {{$HOME}}
	skip_install_trust
}}
https://{NAME}:{PORT} {{
	tls internal
	acme_server {{
		lifetime 6m
		challenges http-01
	}}
}}
"""
"""Six minutes: it makes none that are good for less than five."""


@dataclass
class TestAuthority:
    """`names` lead to `machine`, on which the authority is too. It keeps its keys when it is started again."""

    __test__ = False

    machine: Machine
    folder: Path
    children: list[Child] = field(default_factory=list)
    directory = f"https://{NAME}:{PORT}/acme/local/directory"

    @property
    def root(self) -> Path:
        """The certificate that signs all others."""
        return self.folder / "pki/authorities/local/root.crt"

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        settings = self.folder / "Caddyfile"
        settings.write_text(CADDYFILE)
        caddy = Path(sys.executable).with_name("caddy")
        argv = (str(caddy), "run", "--config", str(settings), "--adapter", "caddyfile")
        env = {**os.environ, "HOME": str(self.folder)}
        self.children.append(self.machine.start(Program("caddy", argv, env=env), self.folder / "log"))
        wait_for(self._answers, "the authority")

    def _answers(self) -> bool:
        assert self.children[-1].exit_code() is None, (self.folder / "log").read_text()
        try:
            return self.machine_answers(PORT)
        except OSError:
            return False

    def machine_answers(self, port: int) -> bool:
        trust = ssl.create_default_context(cafile=self.root)
        with self.connected(port) as plain, trust.wrap_socket(plain, server_hostname=NAME):
            return True

    def kill(self) -> None:
        self.children[-1].kill()

    def env(self, *names: str) -> dict[str, str]:
        """Return the settings of a site with these names that asks here."""
        return {
            "DOMAIN": ",".join(names),
            "LIVE_ACME_DIRECTORY": self.directory,
            "LIVE_ACME_CA": str(self.root),
            "NO_PROXY": "*",
        }

    # What the site shows on this machine

    def connected(self, port: int) -> socket.socket:
        with self.machine.entered():
            return socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS)

    def trusted(self, name: str) -> ssl.SSLSocket:
        """Connect by HTTPS as somebody who trusts the authority and nobody else. Raises SSLError."""
        trust = ssl.create_default_context(cafile=self.root)
        return trust.wrap_socket(self.connected(443), server_hostname=name)

    def shown(self) -> FoundCertificate:
        """Return the certificate that the site shows, whatever it is worth."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(self.connected(443), server_hostname="any.example.org") as tls:
            der = tls.getpeercert(binary_form=True)
        assert der
        found = parse_certificate(ssl.DER_cert_to_PEM_cert(der).encode())
        assert found
        return found

    def shows_what_is_kept(self, kept: KeptCertificate) -> bool:
        found = parse_certificate(kept.file.read_bytes())
        shown = self.shown()
        return found is not None and (found.names, found.begins_at, found.ends_at) == (
            shown.names,
            shown.begins_at,
            shown.ends_at,
        )

    def ask_plainly(self, path: str, *, host: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
        """Ask port 80; return the answer and its body."""
        asking = http.client.HTTPConnection(host)
        asking.sock = self.connected(80)
        with contextlib.closing(asking):
            asking.request(method, path)
            answer = asking.getresponse()
            return answer, answer.read()


@contextlib.contextmanager
def authority(folder: Path, names: Sequence[str]) -> Iterator[TestAuthority]:
    """Have an authority, not started yet, on a machine to which the names lead. Skips where that is not allowed."""
    folder.mkdir()
    with machines(folder, "site") as made:
        machine = made["site"]
        with machine.hosts.open("a") as hosts:
            hosts.write(f"127.0.0.1 {NAME} {' '.join(names)}\n")
        asked = TestAuthority(machine, folder / "authority")
        try:
            yield asked
        finally:
            for child in asked.children:
                child.kill()
