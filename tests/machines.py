"""Machines for tests: network namespaces on one bridge, each with an address and a name that the others know.

Processes of all machines share this one's files; a machine may have files of its own laid over them. The network of
this machine stays as it is: when it gets an address, Chromium breaks off what it loads.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from host.processes import Child, Program
from tests.sites import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000  # of <sched.h>; `os.setns` comes with Python 3.12


@dataclass(frozen=True, slots=True)
class Machine:
    """A network namespace; `hosts` is its /etc/hosts."""

    name: str
    address: str
    namespace: str
    hosts: Path

    def start(self, program: Program, log: Path, *, files: Mapping[str, Path] | None = None) -> Child:
        """Run a program here. `files`: what lies at these paths, for it alone."""
        laid = {"/etc/hosts": self.hosts, **(files or {})}
        mounts = " && ".join(f"mount --bind {shlex.quote(str(path))} {at}" for at, path in laid.items())
        owner: tuple[str, ...] = ()
        if program.uid is not None:
            stop = program.stop_signal.name.removeprefix("SIG")  # forgotten when the user changes
            owner = ("setpriv", f"--reuid={program.uid}", f"--regid={program.gid}", "--clear-groups")
            owner = (*owner, "--pdeathsig", stop, "--")
        inside = ("sh", "-c", f'{mounts} && exec "$@"', "sh", *owner, *program.argv)
        argv = ("ip", "netns", "exec", self.namespace, *inside)
        with log.open("ab") as output:
            return Child(dataclasses.replace(program, argv=argv, uid=None, gid=None), output)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Have what this thread opens and starts in the block be on this machine: sockets, programs, threads."""
        with (NAMESPACES / self.namespace).open() as there, Path("/proc/thread-self/ns/net").open() as here:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(here.fileno())

    def loses(self, other: Machine) -> None:
        """What is sent from here to the other goes nowhere from now on, answers of the kernel included."""
        _ip(f"-n {self.namespace} route add blackhole {other.address}")


@contextlib.contextmanager
def machines(folder: Path, *names: str) -> Iterator[dict[str, Machine]]:
    """Have machines for the length of the block. Skips where that is not allowed."""
    bridge, hosts = f"live-{os.getpid()}", folder / "hosts"
    made = {name: Machine(name, f"10.214.0.{place}", f"{bridge}-{name}", hosts) for place, name in enumerate(names, 10)}
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{each.address} {each.name}\n" for each in made.values()))
    with contextlib.ExitStack() as stack:
        for namespace in (bridge, *(machine.namespace for machine in made.values())):
            _ip(f"netns add {namespace}")
            stack.callback(subprocess.run, ["ip", "netns", "delete", namespace], check=True)
        _ip(f"-n {bridge} link add bridge type bridge")
        _ip(f"-n {bridge} link set bridge up")
        for place, machine in enumerate(made.values()):
            _ip(f"-n {bridge} link add port-{place} type veth peer name eth0 netns {machine.namespace}")
            _ip(f"-n {bridge} link set port-{place} master bridge up")
            for step in (f"addr add {machine.address}/24 dev eth0", "link set eth0 up", "link set lo up"):
                _ip(f"-n {machine.namespace} {step}")
        yield made


def _enter(network: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(network, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(command: str) -> None:
    try:
        done = subprocess.run(["ip", *command.split()], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("needs the command ip (iproute2)")
    if done.returncode:
        pytest.skip(f"needs rights to make network namespaces: ip {command}: {done.stderr.strip()}")


# What deploy/ says


def unit_program(unit: str, *, instance: str = "", env: Mapping[str, str]) -> Program:
    """Return what a systemd unit of deploy/systemd starts, with this checkout in place of /opt/liveplatform."""
    lines = (DEPLOY / "systemd" / f"{unit}.service").read_text().splitlines()
    [command] = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]
    command = command.replace("%i", instance).replace("%%", "%")
    argv = shlex.split(command.replace("/opt/liveplatform/.venv/bin/python", sys.executable))
    return Program(unit, tuple(argv), stop_seconds=30.0, env=env, cwd=CHECKOUT)


def needed(*programs: str) -> None:
    """Skip the test where one of Debian's programs is missing; in CI fail."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        reason = f"{', '.join(missing)}: none, what deploy/ says of it is not tried (apt install {' '.join(missing)})"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def environment() -> dict[str, str]:
    """Return what deploy/env sets."""
    lines = (DEPLOY / "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
