"""What this machine allows the generator, and what the site's processes cost on it.

Called by `run` and by the command. It reads /proc. Without /proc (not Linux) the site's cost is unknown.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import platform
import re
import resource
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SPARE_DESCRIPTORS = 1_200  # of the parent: requests (two kinds, 500 of each), the database, files
SPARE_WATCHER_DESCRIPTORS = 100  # of each process that watches
PROCESSES_MAX = 64
VIEWERS_PER_SOURCE = 2_000
"""Connections from one address to one site. The kernel has 28,232 ports for each. The fewer are left, the longer it
searches: with 25,000 connections an address, connecting took most of a generator's time."""
EPHEMERAL_PORTS = 28_232
MANY = ("postgresql", "other")
PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
PROC = Path("/proc")
_SERVE = r"^\S*python\S* .*manage\.py serve\b"  # not a shell with a script that mentions it
_PARTS = (
    ("supervisor", _SERVE),
    ("node", r"-m liveplatform\.node\b"),
    ("dispatcher", r"(-Q|--queues)[ =]dispatch\b"),
    ("jobs", r"(-Q|--queues)[ =]jobs\b"),
    ("postgresql", r"\bpostgres\b"),
    ("valkey", r"\b(valkey|redis)-server\b"),
    ("ffmpeg", r"\bffmpeg"),
)


class DoesNotFit(Exception):
    """This machine does not allow what was asked for. The message says what does not fit."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens. `url` has no path: scheme, host and port."""

    url: str
    family: socket.AddressFamily
    socket_address: tuple[Any, ...]

    @property
    def host_header(self) -> str:
        return self.url.partition("://")[2]

    @property
    def host(self) -> str:
        """The name or address of the host, as its certificate has it."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_secure(self) -> bool:
        return self.url.startswith("https:")

    @property
    def port(self) -> int:
        port: int = self.socket_address[1]
        return port

    @property
    def is_local(self) -> bool:
        """Whether it is an address of this machine."""
        try:
            with socket.socket(self.family, socket.SOCK_STREAM) as probe:
                probe.bind((self.socket_address[0], 0))
        except OSError:
            return False
        return True

    @property
    def is_loopback4(self) -> bool:
        return self.family == socket.AF_INET and ipaddress.ip_address(self.socket_address[0]).is_loopback


def reach(url: str, *, timeout_seconds: float = 5.0) -> Address:
    """Return the address of a site that accepts connections. `url` is like `http://127.0.0.1:8000`.

    Raises ValueError for another kind of URL, OSError when nothing answers there.
    """
    refusal = ValueError(f"{url!r} is not an address like http://127.0.0.1:8000 or https://live.example.org")
    try:
        parts = urlsplit(url)
        usual = {"http": 80, "https": 443}[parts.scheme]
        port = parts.port or usual
    except (KeyError, ValueError):
        raise refusal from None
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise refusal
    trouble: OSError = OSError("no address")
    for family, kind, _, _, socket_address in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM):
        try:
            with socket.socket(family, kind) as probe:
                probe.settimeout(timeout_seconds)
                probe.connect(socket_address)
            return Address(f"{parts.scheme}://{parts.netloc}", family, socket_address)
        except OSError as error:
            trouble = error
    raise trouble


def source_for(address: Address, number: int) -> str | None:
    """Return the source address of viewer `number`: for loopback 127.0.0.2, .3 … in turn. None: the kernel chooses."""
    place = number // VIEWERS_PER_SOURCE
    return f"127.0.{place // 250}.{place % 250 + 1}" if place and address.is_loopback4 else None


def make_room(viewers: int, addresses: Sequence[Address], *, processes: int = 0, speakers: int = 0) -> int:
    """Raise the limit of open files, which child processes inherit. Return how many processes the viewers need.

    `processes`: how many there must be; 0: as few as possible. `speakers`: connections of this process. Raises
    DoesNotFit.
    """
    hard = _descriptors_of(lambda limits: limits[1])
    each_max = max(0, hard - SPARE_WATCHER_DESCRIPTORS)
    if SPARE_DESCRIPTORS + speakers > hard:
        raise DoesNotFit(f"{speakers:,} WebSockets to act over do not fit: a process here may have {hard:,} open files")
    fewest = -(-viewers // each_max) if each_max else PROCESSES_MAX + 1
    if max(fewest, processes) > PROCESSES_MAX or 0 < processes < fewest:
        most = (processes or PROCESSES_MAX) * each_max
        raise DoesNotFit(
            f"{viewers:,} viewers do not fit into {processes or PROCESSES_MAX} processes of {hard:,} open files "
            f"(ulimit -Hn): at most {most:,} viewers"
        )
    spread = min(viewers, processes or fewest)
    wanted = max(SPARE_DESCRIPTORS + speakers, -(-viewers // spread) + SPARE_WATCHER_DESCRIPTORS)
    if _descriptors_of(lambda limits: limits[0]) < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if all(address.is_loopback4 for address in addresses):
        return spread  # further source addresses are at hand
    ports = _ephemeral_ports() * len({address.socket_address for address in addresses})
    if viewers > ports:
        raise DoesNotFit(
            f"{viewers:,} viewers need as many ports, this machine has {ports:,} towards the site ({PORTS})"
        )
    return spread


def _descriptors_of(which: Callable[[tuple[int, int]], int]) -> int:
    """Return one of the limits of open files of this process, (soft, hard)."""
    limit = which(resource.getrlimit(resource.RLIMIT_NOFILE))
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def _ephemeral_ports() -> int:
    try:
        low, high = PORTS.read_text().split()
    except OSError:
        return EPHEMERAL_PORTS
    return int(high) - int(low) + 1


# The site's processes


@dataclass(frozen=True, slots=True)
class Cost:
    """What some processes have used: CPU seconds since their start, and resident memory."""

    cpu_seconds: float = 0.0
    rss_bytes: int = 0


@dataclass(slots=True)
class Site:
    """The processes behind an address of this machine: those that listen, and all others of their supervisor.

    `parts` are the process ids by what they are: supervisor, node, dispatcher, jobs, postgresql, valkey, …
    """

    parts: dict[str, list[int]]
    _roots: set[int]
    _own: int
    _proc: Path

    def refresh(self) -> None:
        """Add the processes that have started since. A database has one for each connection."""
        for part, pids in _family(self._roots, _processes(self._proc), own=self._own).items():
            known = self.parts.setdefault(part, [])
            known += [pid for pid in pids if pid not in known]

    def costs(self) -> dict[str, Cost]:
        return {part: _sum(map(_cost, pids)) for part, pids in self.parts.items()}

    def each(self) -> dict[str, Cost]:
        """Return what each process has cost, by part and number. A server with many processes counts as one."""
        found = {}
        for part, pids in sorted(self.parts.items()):
            if part in MANY or len(pids) == 1:
                found[part] = _sum(map(_cost, pids))
            else:
                found.update({f"{part} {number}": _cost(pid) for number, pid in enumerate(pids, start=1)})
        return found


def find_site(ports: Iterable[int], *, proc: Path = PROC, own: int | None = None) -> Site | None:
    """Return the processes behind the listening ports, None when this machine does not show them."""
    try:
        processes = _processes(proc)
        inodes = _listening_inodes(proc, set(ports))
    except OSError:
        return None
    listeners = [pid for pid in processes if inodes & _socket_inodes(proc, pid)]
    if not listeners:
        return None
    roots = {_supervisor(pid, processes) for pid in listeners}
    own = own or os.getpid()
    return Site(_family(roots, processes, own=own), roots, own, proc)


def _family(roots: set[int], processes: Mapping[int, _Process], *, own: int) -> dict[str, list[int]]:
    """Return the roots and their descendants, without this process, its ancestors and its descendants."""
    parts: dict[str, list[int]] = {}
    own_line = _ancestors(own, processes)
    for pid, process in processes.items():
        line = _ancestors(pid, processes)
        if roots & set(line) and own not in line and pid not in own_line:
            parts.setdefault(_part(process.command), []).append(pid)
    return parts


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    command: str


def _processes(proc: Path) -> dict[int, _Process]:
    found = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(entry.name)] = _Process(int(_stat(entry)[1]), command)
            except (OSError, ValueError, IndexError):
                continue  # the process has just ended
    return found


def _stat(entry: Path) -> list[str]:
    """Return the fields of `stat` from the third on: state, parent, … The second may contain spaces."""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def _listening_inodes(proc: Path, ports: set[int]) -> set[str]:
    inodes = set()
    for name in ("tcp", "tcp6"):
        path = proc / "net" / name
        if path.exists():
            for line in path.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) in ports:
                    inodes.add(fields[9])
    return inodes


def _socket_inodes(proc: Path, pid: int) -> set[str]:
    inodes = set()
    try:
        for descriptor in (proc / str(pid) / "fd").iterdir():
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except OSError:
        pass
    return inodes


def _ancestors(pid: int, processes: Mapping[int, _Process]) -> list[int]:
    """Return the process and those above it, up to process 1."""
    line: list[int] = []
    while pid > 1 and pid in processes and pid not in line:
        line.append(pid)
        pid = processes[pid].parent
    return line


def _supervisor(pid: int, processes: Mapping[int, _Process]) -> int:
    """Return the highest ancestor of `pid` that was started as `manage.py serve`, or `pid` itself."""
    serving = (above for above in reversed(_ancestors(pid, processes)) if re.search(_SERVE, processes[above].command))
    return next(serving, pid)


def _part(command: str) -> str:
    """Return what a process of the site is, by its command line."""
    return next((part for part, sign in _PARTS if re.search(sign, command)), "other")


def _cost(pid: int) -> Cost:
    """Return what the process has cost so far, nothing if it has ended."""
    try:
        fields = _stat(PROC / str(pid))
    except OSError:
        return Cost()
    ticks = int(fields[11]) + int(fields[12])
    return Cost(ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * resource.getpagesize())


def _sum(costs: Iterable[Cost]) -> Cost:
    cpu_seconds, rss_bytes = 0.0, 0
    for cost in costs:
        cpu_seconds += cost.cpu_seconds
        rss_bytes += cost.rss_bytes
    return Cost(cpu_seconds, rss_bytes)


def describe_machine() -> str:
    """Return processor, cores, memory and versions in one line, as far as this machine shows them."""
    model = ""
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", (PROC / "cpuinfo").read_text(), re.MULTILINE)
        model = found.group(1) if found else ""
    memory = ""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"
    cores = f"{os.cpu_count() or 1} cores"
    system = f"{platform.system()} {platform.release()}"
    return ", ".join(
        filter(None, (model or platform.machine(), cores, memory, system, f"Python {sys.version.split()[0]}"))
    )


def own_rss_bytes() -> int:
    """Return the most memory that this process has had resident."""
    most: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1_024 * most


def busy_seconds() -> float | None:
    """Return how many seconds the processors of this machine have worked, in all. None: the system does not show it."""
    try:
        ticks = [int(field) for field in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
