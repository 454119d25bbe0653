"""Look after the certificate of a site once: get it or renew it if it is time. Called by liveplatform.certificate.

What happens is on disk before anything is asked, so a process that crashes counts as a failure, and no loop of crashes
asks an authority again and again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from host.certificates.authority import CertificateAuthority, NoCertificate
from host.certificates.kept import CertificateHistory, CertificateOrder, KeptCertificate, pause_seconds
from host.certificates.own import FoundCertificate, parse_certificate, read_certificate

LEFT_SHARE = 3
"""A certificate is renewed when a third of its time is left."""
LATEST_SHARE = 10
"""And when a tenth is left, whatever the authority would like."""
SPREAD_SHARE = 100
"""By chance it is up to a hundredth sooner, so that not all sites come at the same moment."""
ASK_AGAIN_SECONDS = 6 * 3_600


def look_after(
    order: CertificateOrder, kept: KeptCertificate, authority: CertificateAuthority, *, say: Callable[[str], None]
) -> None:
    """Have a certificate for the order, if that is possible now, and note when to look again.

    Raises OSError when something cannot be kept.
    """
    now = time.time()
    found, history = read_certificate(kept.file), kept.history()
    is_new = bool(history.directory) and not history.is_of(order)
    if is_new:
        history = CertificateHistory()  # what the other order waits for does not hold for this one
    history = replace(history, directory=order.directory, names=order.names)
    if found is not None and found.is_good(order.names, now) and not is_new:
        history = _planned(history, found, authority, now)
        if now < history.renew_at:
            kept.write_history(replace(history, tried_at=now))
            return
    failures = history.failures + 1
    pause = pause_seconds(failures, is_away=False, asked=0, chance=random.random())
    reason = "its process ended while it asked"
    history = replace(history, tried_at=now, failures=failures, look_at=now + pause, reason=reason)
    kept.write_history(history)
    try:
        pem = authority.certificate()
        got = parse_certificate(pem.encode())
        if got is None or not got.is_good(order.names, time.time()):
            raise NoCertificate(f"{authority.name} has sent one for something else", is_away=False)
    except NoCertificate as error:
        pause = pause_seconds(failures, is_away=error.is_away, asked=error.asked_seconds, chance=random.random())
        history = replace(history, look_at=time.time() + pause, reason=str(error))
        kept.write_history(history)
        say(_failure(history, found, now))
        return
    kept.write(pem)
    done = CertificateHistory(
        directory=order.directory, names=order.names, tried_at=now, got_at=now, ends_at=got.ends_at
    )
    done = _planned(done, got, authority, now)
    kept.write_history(done)
    say(
        f"there is a new certificate for {', '.join(order.names)}, good until {_time(got.ends_at)}. The nodes take it"
        f" within 10 s. It will be renewed on {_time(done.renew_at)}"
    )


def _planned(
    history: CertificateHistory, found: FoundCertificate, authority: CertificateAuthority, now: float
) -> CertificateHistory:
    """Return the history with the times of the renewal, of which the authority may have a say."""
    lasts = found.ends_at - found.begins_at
    if not history.renew_at:
        renew_at = found.ends_at - lasts / LEFT_SHARE - random.random() * lasts / SPREAD_SHARE
        history = replace(history, ends_at=found.ends_at, renew_at=renew_at)
    if history.renew_at <= now:
        return history
    try:
        wanted, ask_at = authority.renewal_time(found.pem)
    except NoCertificate:
        return replace(history, look_at=min(history.renew_at, now + ASK_AGAIN_SECONDS))
    if wanted is None:
        return replace(history, look_at=history.renew_at)
    renew_at = min(wanted, found.ends_at - lasts / LATEST_SHARE)
    return replace(history, renew_at=renew_at, look_at=min(renew_at, ask_at))


def _failure(history: CertificateHistory, found: FoundCertificate | None, now: float) -> str:
    """Return one line: why there is no certificate, with what the site goes on, and when to try again."""
    state = "The site has none that browsers trust"
    if found is not None and not found.is_own:
        ended = "has ended" if found.ends_at <= now else "ends"
        state = f"The site goes on with the one of before, which {ended} on {_time(found.ends_at)}"
    return (
        f"no certificate for {', '.join(history.names)}: {history.reason}. {state}. Failures in a row:"
        f" {history.failures}, next try {_time(history.look_at)}"
    )


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
