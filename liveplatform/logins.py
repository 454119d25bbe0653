"""How often one address may try a password. Wraps the login pages in liveplatform.urls, the admin's too.

In the memory of each node, like all limits: a site of N nodes allows N times as much at most.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from realtime.limits import Limited
from videos import limits

View = Callable[..., HttpResponseBase]


def limited(login: View) -> View:
    """Answer 429 with a page that says when to try again, once an address has guessed too often."""

    @wraps(login)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.method == "POST":
            try:
                limits.take(limits.LOGINS, limits.network(request))
            except Limited as error:
                response = render(request, "429.html", {"seconds": error.retry_seconds}, status=429)
                response.headers["Retry-After"] = str(error.retry_seconds)
                return response
        return login(request, *args, **kwargs)

    return answer
