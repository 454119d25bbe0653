"""The operator's page: how long each hop takes, how much is delivered, which processes there are. For operators.

Called by the URLs. The page asks for `figures` every few seconds, which any node answers for the whole region: it reads
the telemetry of every process (realtime.telemetry).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import pages
from accounts.models import Viewer
from realtime.answers import RETRY_SECONDS
from realtime.events import now_ms
from realtime.telemetry import ProcessReport, TelemetryAway, read, to_plots
from web.middleware import forbidden

FIGURES = "realtime.view_figures"
RELAY = "live_relay_"
CERTIFICATE_END = "live_tls_certificate_end_timestamp_seconds"
HOPS: Mapping[str, tuple[str | Promise, str | Promise]] = {
    "committed": (_("Committed"), _("From receiving an event to its commit in the database.")),
    "dispatched": (_("Dispatched"), _("To the dispatcher’s message to the nodes.")),
    "relayed": (_("Relayed"), _("To its arrival in this region, of events born in another.")),
    "node": (_("At the node"), _("To the node that holds the viewers.")),
    "written": (_("Written"), _("To the first write to a viewer; likes wait for their frame.")),
    "seen": (_("Seen"), _("To the moment a viewer of the sample has read it, by the server’s clock.")),
}
"""The hops in their order: heading, and what the plot shows."""
WORDS: Mapping[str, str | Promise] = {
    "updated": _("Updated {ago} s ago"),
    "collecting": _("No process has reported yet. The first figures come within seconds."),
    "away": _("Redis does not answer: what you see is the last that was known. Viewers get everything, 2 s late."),
    "unreachable": _("The server does not answer: what you see is the last that was known."),
    "signed_out": _("You are not signed in any more. Sign in again to go on."),
    "ms": _("{n} ms"),
    "per_s": _("{n}/s"),
    "percent": _("{n} %"),
    "mb": _("{n} MB"),
    "seconds": _("{n} s"),
    "minutes": _("{n} min"),
    "hours": _("{n} h"),
    "frames": _("Frames"),
    "like_deliveries": _("Likes delivered"),
    "connections": _("Connections"),
    "lost": _("Not acknowledged"),
    "days": _("{n} d"),
    "no_certificate": _("none yet"),
    "expired": _("expired"),
    "no_peers": _("This region has no relay."),
    "answers": _("answers"),
    "silent": _("does not answer"),
}


def may_operate(viewer: Viewer) -> bool:
    return viewer.has_perm(FIGURES)


@pages.page
async def page(request: HttpRequest) -> HttpResponse:
    """Show the page to operators. Others get the sign-in, or 403 if they are signed in."""
    viewer = await pages.viewer_on(request)
    if viewer is None:
        return redirect(f"{settings.LOGIN_URL}?next={request.path}")
    if not may_operate(viewer):
        return forbidden(request, viewer)
    context = {"region": settings.LIVE_REGION, "hops": HOPS, "words": WORDS}
    return pages.render_page(request, "operator.html", viewer, context)


@pages.page
async def figures(request: HttpRequest) -> HttpResponse:
    """Answer what the page draws (`to_plots`), with the region's processes and relay peers.

    `?event=likes`: the hops of one event. 401 and 403 as the page; 503 `redis_away` without Redis.
    """
    viewer = await pages.viewer_on(request)
    if viewer is None:
        return _refusal(401, "unauthenticated", "Sign in as an operator.")
    if not may_operate(viewer):
        return _refusal(403, "forbidden", "These figures are for operators.")
    event = request.GET.get("event", "")
    try:
        reports = await read(with_past=True)
    except TelemetryAway:
        response = _refusal(503, "redis_away", "Redis does not answer.")
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response
    answer = {
        "now_ms": now_ms(),
        "region": settings.LIVE_REGION,
        "plots": await asyncio.to_thread(to_plots, reports, event=event, now_ms=now_ms()),
        "events": sorted({hop[1] for one in reports for hop in one.now["hops"]}),
        "processes": [shown_process(one) for one in reports],
        "peers": peers(reports),
        "certificate": shown_certificate(reports),
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def _refusal(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse({"code": code, "detail": detail}, status=status, headers={"Cache-Control": "no-store"})


def _samples(reports: Iterable[ProcessReport]) -> Iterable[tuple[str, Mapping[str, str], float]]:
    for one in reports:
        for _name, _kind, _text, samples in one.now["families"]:
            yield from samples


def shown_process(one: ProcessReport) -> dict[str, Any]:
    """Return name and state of a process; `rss_bytes` and `cpu_s` are null where the system does not give them."""
    values = {name: value for name, labels, value in _samples([one]) if not labels}
    held = [value for name, _, value in _samples([one]) if name == "live_connections"]
    return {
        "process": one.now["process"],
        "began_ms": one.now["began_ms"],
        "at_ms": one.now["at_ms"],
        "connections": sum(held) if one.now["name"] == "node" else None,
        "rss_bytes": values.get("process_resident_memory_bytes"),
        "cpu_s": values.get("process_cpu_seconds_total"),
    }


def shown_certificate(reports: Iterable[ProcessReport]) -> dict[str, Any] | None:
    """Return the certificate that the nodes show, if several that which ends first: `{"ends_ms", "is_self_made"}`.

    None: no node speaks HTTPS itself.
    """
    found = [
        (1_000 * value, labels["made_by"] == "itself")
        for name, labels, value in _samples(reports)
        if name == CERTIFICATE_END
    ]
    if not found:
        return None
    return {"ends_ms": min(found)[0], "is_self_made": any(is_self_made for _, is_self_made in found)}


def peers(reports: Sequence[ProcessReport]) -> list[dict[str, Any]]:
    """Return the metrics of each region that a relay here sends to: `{"peer", "figures": {name: n}}`.

    They are sums over the relays of this region; of histograms, count and sum.
    """
    found: dict[str, dict[str, float]] = {}
    for name, labels, value in _samples(reports):
        if name.startswith(RELAY) and "peer" in labels and not name.endswith("_bucket"):
            more = "".join(f" {text}" for label, text in sorted(labels.items()) if label != "peer")
            of_peer = found.setdefault(labels["peer"], {})
            shown = name.removeprefix(RELAY).removesuffix("_total") + more
            of_peer[shown] = of_peer.get(shown, 0.0) + value
    return [{"peer": peer, "figures": found[peer]} for peer in sorted(found)]
