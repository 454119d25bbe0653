"""The errors of the API: each exception has one answer, `{"code", "detail"}`. The status says who made the mistake.

Called by the API for every exception of its views.
"""

from __future__ import annotations

from django.http import HttpResponse
from ninja.errors import HttpError

from realtime import act_limits
from realtime.answers import ANSWERS as PLATFORM_ANSWERS
from realtime.answers import Answers, error, unavailable
from realtime.log.store import StoreUnavailable
from web.door import Unauthorized
from web.parsing import Malformed, UnsupportedMediaType
from web.pictures import MediaAway
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused, SignedOut

STATUSES: dict[type[Refused], int] = {
    SignedOut: 401,
    NotFound: 404,
    Forbidden: 403,
    Conflict: 409,
    Invalid: 422,
    Refused: 400,
}


def _http_error(problem: HttpError) -> HttpResponse:
    """Answer django-ninja's own error. If it only wraps an error of our parser, answer our error."""
    for kind in type(problem.__cause__).__mro__:
        if kind in ANSWERS and kind is not Exception:
            return ANSWERS[kind](problem.__cause__)
    return PLATFORM_ANSWERS[HttpError](problem)


def _unavailable(problem: StoreUnavailable) -> HttpResponse:
    act_limits.give_back()
    return unavailable(problem)


def media_away(_: MediaAway) -> HttpResponse:
    act_limits.give_back()
    return error(503, "unavailable", "The picture is on a machine that does not answer.", retry_seconds=1)


ANSWERS: Answers = {
    **PLATFORM_ANSWERS,
    Refused: lambda refusal: error(STATUSES[type(refusal)], refusal.code, refusal.translated()),
    Unauthorized: lambda problem: error(401, "unauthenticated", str(problem)),
    Malformed: lambda problem: error(400, "malformed", str(problem)),
    UnsupportedMediaType: lambda problem: error(415, "unsupported_media_type", str(problem)),
    HttpError: _http_error,
    StoreUnavailable: _unavailable,
    MediaAway: media_away,
}
