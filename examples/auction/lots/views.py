"""The pages and calls of the auction. Plain Django: the platform asks for no framework of its own."""

from __future__ import annotations

import json
from uuid import UUID

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from lots import acts
from lots.models import Lot
from realtime.edge import devices


def may_see(request: HttpRequest, lot: Lot) -> bool:
    user = request.user
    return not lot.is_private or (isinstance(user, User) and (user.is_staff or lot.invited.contains(user)))


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "lots/home.html", {"lots": [lot for lot in Lot.objects.all() if may_see(request, lot)]})


@require_GET
def page(request: HttpRequest, id: UUID) -> HttpResponse:
    lot = get_object_or_404(Lot, id=id)
    if not may_see(request, lot):
        return HttpResponse("There is no such lot.", status=404)
    response = render(request, "lots/lot.html", {"lot": lot})
    if devices.COOKIE not in request.COOKIES:  # each browser counts as a viewer of its own
        response.set_cookie(devices.COOKIE, devices.issue(), httponly=True, samesite="Lax")
    return response


@require_POST
def join(request: HttpRequest) -> HttpResponse:
    """Become a bidder with a name."""
    name = request.POST.get("name", "").strip()[:40]
    try:
        user = User.objects.create_user(name) if name else None
    except IntegrityError:
        user = None
    if user is None:
        return HttpResponse("That name is taken, or none.", status=409)
    login(request, user)
    where = request.POST.get("next", "")
    return redirect(where if url_has_allowed_host_and_scheme(where, allowed_hosts=None) else "/")


@require_POST
def bid(request: HttpRequest, id: UUID) -> JsonResponse:
    lot = get_object_or_404(Lot, id=id)
    user = request.user
    if not isinstance(user, User) or not may_see(request, lot):
        return JsonResponse({"code": "forbidden", "detail": "Say your name first."}, status=403)
    try:
        amount = json.loads(request.body)["amount"]
        if not isinstance(amount, int) or not 0 < amount < 2**31:
            raise ValueError(amount)
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"code": "invalid", "detail": "amount is a whole number of euros."}, status=422)
    try:
        made = acts.bid(lot, user, amount)
    except acts.Refused as refused:
        return JsonResponse({"code": "refused", "detail": str(refused)}, status=409)
    return JsonResponse({"amount": made.amount}, status=201)


@require_POST
def star(request: HttpRequest, id: UUID) -> JsonResponse:
    lot = get_object_or_404(Lot, id=id)
    user = request.user
    if not isinstance(user, User) or not may_see(request, lot):
        return JsonResponse({"code": "forbidden", "detail": "Say your name first."}, status=403)
    return JsonResponse({"stars": acts.star(lot, user)})
