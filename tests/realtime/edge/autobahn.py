"""The cases of the Autobahn test suite, 1 to 7 and 10, as data: what a client sends, what a strict server answers.

Written after the suite's own descriptions, with its numbers. A case is sent in `chops`, then closed with 1000 unless it
ends before; `answers` are the frames before the close frame. What must be noticed at once is where a case ends: the
suite would send more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from realtime.websocket import BINARY, CLOSE, PING, PONG, TEXT

Answer = tuple[int, bytes]
MASK = b"\x12\x34\x56\x78"
MORE = 0  # of a message: a continuation


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    chops: list[bytes] = field(repr=False)
    answers: list[Answer] = field(default_factory=list, repr=False)
    code: int = 1000

    @property
    def is_open(self) -> bool:
        """Whether the client itself has to close at the end."""
        return self.code == 1000 and not self.id.startswith("7.")


def send(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return a client's frame."""
    size = len(payload)
    extended = b"" if size < 126 else size.to_bytes(2 if size < 65_536 else 8, "big")
    head = bytes((fin << 7 | rsv << 4 | opcode, 0x80 | (size if size < 126 else 126 if size < 65_536 else 127)))
    return head + extended + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


def pieces(*payloads: bytes, opcode: int = TEXT) -> list[bytes]:
    """Return the frames of one message in fragments."""
    last = len(payloads) - 1
    return [send(MORE if at else opcode, part, fin=at == last) for at, part in enumerate(payloads)]


def chopped(data: bytes, size: int = 1) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def whole(*frames: bytes) -> list[bytes]:
    return [b"".join(frames)]


def close(code: int, reason: bytes = b"") -> bytes:
    return send(CLOSE, code.to_bytes(2, "big") + reason)


def numbered(prefix: str, payloads: Iterable[str], code: int) -> Iterator[Case]:
    for number, text in enumerate(payloads, 1):
        sent = bytes.fromhex(text)
        yield Case(f"{prefix}.{number}", [send(TEXT, sent)], [] if code == 1007 else [(TEXT, sent)], code)


def messages() -> Iterator[Case]:
    """1: of all lengths. 10: in fragments of 1,300 bytes."""
    for group, opcode, byte in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
        for number, size in enumerate((0, 125, 126, 127, 128, 65_535, 65_536), 1):
            yield Case(f"1.{group}.{number}", [send(opcode, byte * size)], [(opcode, byte * size)])
        yield Case(f"1.{group}.8", chopped(send(opcode, byte * 65_536), 997), [(opcode, byte * 65_536)])
    long = b"*" * 65_536
    yield Case("10.1.1", pieces(*chopped(long, 1_300)), [(TEXT, long)])


def pings() -> Iterator[Case]:
    """2."""
    for number, payload in enumerate((b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125), 1):
        yield Case(f"2.{number}", [send(PING, payload)], [(PONG, payload)])
    yield Case("2.5", [send(PING, b"\xfe" * 126)], [], 1002)
    yield Case("2.6", chopped(send(PING, b"\xfe" * 125)), [(PONG, b"\xfe" * 125)])
    yield Case("2.7", [send(PONG)])
    yield Case("2.8", [send(PONG, b"unsolicited")])
    yield Case("2.9", [send(PONG, b"unsolicited"), send(PING, b"ping")], [(PONG, b"ping")])
    ten = [b"payload-%d" % number for number in range(10)]
    frames, pongs = [send(PING, payload) for payload in ten], [(PONG, payload) for payload in ten]
    yield Case("2.10", frames, pongs)
    yield Case("2.11", chopped(b"".join(frames)), pongs)


def reserved() -> Iterator[Case]:
    """3: reserved bits. 4: reserved opcodes. What came before them is answered."""
    hello, answer, ping = send(TEXT, b"Hello, world!"), [(TEXT, b"Hello, world!")], send(PING)
    yield Case("3.1", [send(TEXT, b"Hello, world!", rsv=1)], [], 1002)
    yield Case("3.2", whole(hello, send(TEXT, b"Hello, world!", rsv=2), ping), answer, 1002)
    yield Case("3.3", [hello, send(TEXT, b"Hello, world!", rsv=3), ping], answer, 1002)
    yield Case("3.4", chopped(b"".join((hello, send(TEXT, b"Hello, world!", rsv=4), ping))), answer, 1002)
    for number, opcode in ((5, BINARY), (6, PING), (7, CLOSE)):
        yield Case(f"3.{number}", [send(opcode, b"\x03\xe8", rsv=number)], [], 1002)
    for group, first in ((1, 3), (2, 11)):
        for number in range(1, 6):
            bad = send(first + number - 1, b"reserved" if number in (2, 4, 5) else b"")
            frames, answers = ([hello, bad, ping], answer) if number > 2 else ([bad], [])
            chops = chopped(b"".join(frames)) if number == 5 else whole(*frames) if number == 3 else frames
            yield Case(f"4.{group}.{number}", chops, answers, 1002)


def fragments() -> Iterator[Case]:
    """5."""

    def thrice(first: int, frames: list[bytes], answers: list[Answer], code: int = 1000) -> Iterator[Case]:
        joined = b"".join(frames)
        for number, chops in enumerate(([joined], frames, chopped(joined)), first):
            yield Case(f"5.{number}", chops, answers, code)

    one, two = pieces(b"fragment1", b"fragment2")
    hello = send(TEXT, b"Hello, world!")
    answer = [(TEXT, b"fragment1fragment2")]
    for number, opcode in ((1, PING), (2, PONG)):
        yield Case(f"5.{number}", pieces(b"fragment1", b"fragment2", opcode=opcode), [], 1002)
    yield from thrice(3, [one, two], answer)
    yield from thrice(6, [one, send(PING, b"ping"), two], [(PONG, b"ping"), *answer])
    yield from thrice(9, [send(MORE, b"non-continuation"), hello], [], 1002)
    yield from thrice(12, [send(MORE, b"non-continuation", fin=False), hello], [], 1002)
    yield Case("5.15", whole(one, two, send(MORE, b"fragment3", fin=False), send(TEXT, b"fragment4")), answer, 1002)
    for number, fin in ((16, False), (17, True)):
        yield Case(f"5.{number}", [send(MORE, b"fragment1", fin=fin), one, two] * 2, [], 1002)
    yield Case("5.18", [one, send(TEXT, b"fragment2")], [], 1002)
    five = pieces(*(b"fragment%d" % number for number in range(1, 6)))
    five[4:4], five[2:2] = [send(PING, b"pongme 2!")], [send(PING, b"pongme 1!")]
    text = b"".join(b"fragment%d" % number for number in range(1, 6))
    for number, chops in ((19, [b"".join(five[:3]), b"".join(five[3:])]), (20, five)):
        yield Case(f"5.{number}", chops, [(PONG, b"pongme 1!"), (PONG, b"pongme 2!"), (TEXT, text)])


KOSME = "κ\u1f79σμε".encode()  # not the letter of Greek keyboards: three bytes, as in the suite
GREETING = "Hello-µ@ßöäüàá-UTF-8!!".encode()
VALID = {
    "6.5": [
        text.encode().hex() for text in ("κ\u1f79σμε", "hello$world", "hello¢world", "hello€world", "hello𤭢world")
    ],
    "6.7": ["00", "c280", "e0a080", "f0908080"],
    "6.9": ["7f", "dfbf", "efbfbf", "f48fbfbf"],
    "6.11": ["ed9fbf", "ee8080", "efbfbd", "f48fbfbf"],
    "6.22": [chr(plane << 16 | last).encode().hex() for plane in range(17) for last in (0xFFFE, 0xFFFF)],
    "6.23": [chr(code).encode().hex() for code in range(0xFFF9, 0x10000)],
}
INVALID = {
    "6.8": ["f888808080", "fc8480808080"],
    "6.10": ["f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"],
    "6.11.5": ["f4908080"],
    "6.12": ["80", "bf", *("80bf" * count + "80" * odd for count in (1, 2, 3) for odd in (0, 1)), "80bf" * 4],
    "6.13": [
        "".join(f"{byte:02x}20" for byte in range(*spread))
        for spread in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))
    ],
    "6.14": [
        *("c0", "e080", "f08080", "f8808080", "fc80808080"),
        *("df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"),
    ],
    "6.15": ["c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf"],
    "6.16": ["fe", "ff", "fefeffff"],
    "6.17": ["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"],
    "6.18": ["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"],
    "6.19": ["c080", "e08080", "f0808080", "f880808080", "fc8080808080"],
    "6.20": ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"],
    "6.21": [high + low for high in ("eda080", "edadbf", "edae80", "edafbf") for low in ("edb080", "edbfbf")],
}


def texts() -> Iterator[Case]:
    """6: UTF-8, whole, in fragments, in bytes. Bad text is noticed where it stands."""
    middle = b"middle frame payload"
    yield Case("6.1.1", [send(TEXT)], [(TEXT, b"")])
    yield Case("6.1.2", pieces(b"", b"", b""), [(TEXT, b"")])
    yield Case("6.1.3", pieces(b"", middle, b""), [(TEXT, middle)])
    yield Case("6.2.1", [send(TEXT, GREETING)], [(TEXT, GREETING)])
    yield Case("6.2.2", pieces(GREETING[:12], GREETING[12:]), [(TEXT, GREETING)])
    yield Case("6.2.3", pieces(*chopped(GREETING)), [(TEXT, GREETING)])
    yield Case("6.2.4", pieces(*chopped(KOSME)), [(TEXT, KOSME)])
    surrogate = KOSME + b"\xed\xa0\x80"
    yield Case("6.3.1", [send(TEXT, surrogate + b"edited")], [], 1007)
    yield Case("6.3.2", pieces(*chopped(surrogate + b"edited"))[: len(surrogate)], [], 1007)
    beyond = KOSME + b"\xf4\x90\x80\x80"
    for number, at in ((1, len(KOSME)), (2, len(KOSME) + 1)):
        first, rest = beyond[:at], beyond[at : at + 4] if number == 1 else beyond[at : at + 1]
        yield Case(f"6.4.{number}", pieces(first, rest, b"edited")[:2], [], 1007)
        frame = send(TEXT, beyond + b"edited")
        yield Case(f"6.4.{number + 2}", [frame[: 6 + at], frame[6 + at : 6 + at + len(rest)]], [], 1007)
    for group, payloads in VALID.items():
        yield from numbered(group, payloads, 1000)
    for group, payloads in INVALID.items():
        yield from numbered(group, payloads, 1007)
    for end in range(1, len(KOSME) + 1):
        is_whole = end in (2, 5, 7, 9, 11)
        start = KOSME[:end]
        yield Case(f"6.6.{end}", [send(TEXT, start)], [(TEXT, start)] if is_whole else [], 1000 if is_whole else 1007)


def closings() -> Iterator[Case]:
    """7."""
    hello = send(TEXT, b"Hello World!")
    yield Case("7.1.1", whole(hello, close(1000)), [(TEXT, b"Hello World!")])
    yield Case("7.1.2", whole(close(1000), close(1000)))
    yield Case("7.1.3", whole(close(1000), send(PING)))
    yield Case("7.1.4", whole(close(1000), hello))
    one, two = pieces(b"fragment1", b"fragment2")
    yield Case("7.1.5", whole(one, close(1000), two))
    yield Case("7.3.1", [send(CLOSE)])
    yield Case("7.3.2", [send(CLOSE, b"a")], [], 1002)
    yield Case("7.3.3", [close(1000)])
    yield Case("7.3.4", [close(1000, b"Hello World!")])
    yield Case("7.3.5", [close(1000, b"*" * 123)])
    yield Case("7.3.6", [close(1000, b"*" * 124)], [], 1002)
    yield Case("7.5.1", [close(1000, KOSME + b"\xed\xa0\x80edited")], [], 1007)
    good = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for number, code in enumerate(good, 1):
        yield Case(f"7.7.{number}", [close(code)], [], code)
    for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield Case(f"7.9.{number}", [close(code)], [], 1002)
    for number, code in enumerate((5000, 65_535), 1):
        yield Case(f"7.13.{number}", [close(code)], [], 1002)


CASES = [*messages(), *pings(), *reserved(), *fragments(), *texts(), *closings()]
