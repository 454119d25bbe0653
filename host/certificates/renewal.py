"""What waits beside the site until its certificate needs something. Called by host.site.

It reads a small file now and then, and starts a process when it is time (host.certificates.renewing): that takes
seconds, every few weeks. A person who deletes the file has it look anew at once.
"""

from __future__ import annotations

import asyncio
import time

from host import programs
from host.certificates.kept import CertificateOrder, KeptCertificate
from host.supervisor import Supervisor

CHECK_SECONDS = 10.0
AT_LEAST_SECONDS = 60.0
"""Between two starts, if a process could not even write down that it was there."""


class CertificateRenewal:
    """Keeps the certificate of one run of the site."""

    def __init__(self, supervisor: Supervisor, order: CertificateOrder, kept: KeptCertificate) -> None:
        self._supervisor = supervisor
        self._order = order
        self._kept = kept

    async def run(self) -> None:
        """Renew until it is cancelled. The nodes must answer: the authority asks them."""
        while True:
            if self._due_at() <= time.time():
                await self._look_after()
            await asyncio.sleep(CHECK_SECONDS)

    def _due_at(self) -> float:
        return self._kept.history().due_at(self._order, time.time())

    async def _look_after(self) -> None:
        try:
            await self._supervisor.run(programs.certificate())
        except OSError as error:
            self._supervisor.say(f"the certificate cannot be looked after: {error}")
        if self._due_at() <= time.time():
            await asyncio.sleep(AT_LEAST_SECONDS)
