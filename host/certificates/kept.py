"""What is kept of a certificate, in the folder `acme` of the data folder: its file, the account's key, what happened.

Standard library only: settings import it, and so does the site, which reads here when there is something to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from stat import S_ISREG

from host.embedded.folder import write_private

AWAY_SECONDS, AWAY_FACTOR, AWAY_MAX_SECONDS = 60, 2, 3_600
REFUSED_SECONDS, REFUSED_FACTOR, REFUSED_MAX_SECONDS = 120, 3, 6 * 3_600
"""After refusals: four in the first hour, where Let's Encrypt allows five for a name."""
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
ANSWER_MAX_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class CertificateOrder:
    """What is asked for: a certificate for `names`, from the authority at `directory` (a URL)."""

    directory: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificateHistory:
    """What has happened to an order so far. Times are seconds since 1970; 0: never.

    `look_at`: when there is something to do next. `renew_at`: when the certificate is to be replaced. `failures`: in a
    row, the last for this `reason`.
    """

    directory: str = ""
    names: tuple[str, ...] = ()
    tried_at: float = 0
    look_at: float = 0
    failures: int = 0
    reason: str = ""
    got_at: float = 0
    ends_at: float = 0
    renew_at: float = 0

    def is_of(self, order: CertificateOrder) -> bool:
        return (self.directory, {*self.names}) == (order.directory, {*order.names})

    def due_at(self, order: CertificateOrder, now: float) -> float:
        """Return when to look after the certificate. Another order, or a clock that was wrong, makes it now."""
        return self.look_at if self.is_of(order) and self.tried_at <= now else 0


def pause_seconds(failures: int, *, is_away: bool, asked: float, chance: float) -> float:
    """Return how long to leave the authority alone after so many failures in a row.

    `is_away`: it did not answer. `asked`: what it asked for itself (Retry-After). `chance`: from 0 to 1, so that sites
    do not all come back at the same moment.
    """
    first, factor, most = REFUSED_SECONDS, REFUSED_FACTOR, REFUSED_MAX_SECONDS
    if is_away:
        first, factor, most = AWAY_SECONDS, AWAY_FACTOR, AWAY_MAX_SECONDS
    grown: float = min(first * factor ** min(failures - 1, 20), most)
    return max(grown, asked) * (1 + chance / 4)


class KeptCertificate:
    """The files of a site's certificate. All are for the user of the site alone."""

    def __init__(self, data_folder: Path) -> None:
        self.folder = data_folder / "acme"
        self.file = self.folder / "site.pem"
        """Key and certificates, in this order."""
        self.account = self.folder / "account.pem"
        self._history = self.folder / "state.json"
        self._answers = self.folder / "challenges"

    def history(self) -> CertificateHistory:
        """Return what has happened. Nothing, if the file is not there, or not whole."""
        try:
            found = CertificateHistory(**json.loads(self._history.read_bytes()))
        except (OSError, ValueError, TypeError):
            return CertificateHistory()
        numbers = [found.tried_at, found.look_at, found.failures, found.got_at, found.ends_at, found.renew_at]
        if not all(isinstance(number, (int, float)) for number in numbers) or not isinstance(found.names, list):
            return CertificateHistory()
        return replace(found, names=tuple(map(str, found.names)))

    def write_history(self, history: CertificateHistory) -> None:
        """Raises OSError."""
        write_private(self._history, json.dumps(asdict(history), indent=1))

    def write(self, pem: str) -> None:
        """Keep another key with its certificates. Raises OSError."""
        write_private(self.file, pem)

    # What the nodes answer to the authority

    def write_answer(self, token: str, answer: str) -> None:
        """Raises OSError, and ValueError for a token that is none."""
        if not TOKEN.fullmatch(token):
            raise ValueError(f"{token[:200]!r} is no token")
        write_private(self._answers / token, answer)

    def answer(self, token: str) -> bytes | None:
        """Return what the authority wants to read at its token; None: it has not asked for that."""
        if not TOKEN.fullmatch(token):
            return None
        try:
            file = os.open(self._answers / token, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            return os.read(file, ANSWER_MAX_BYTES) if S_ISREG(os.fstat(file).st_mode) else None
        except OSError:
            return None
        finally:
            os.close(file)

    def forget_answers(self) -> None:
        """Remove all answers, those of a process that was killed too."""
        with contextlib.suppress(OSError):
            for path in self._answers.iterdir():
                path.unlink()
