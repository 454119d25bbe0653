"""One's own account in the API: what it is, its name, its browsers, a copy of all it has, and its end.

Calls the same acts as the pages (accounts.account_pages). Guests have none of this.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from allauth.account.models import EmailAddress
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from ninja import Path, Router

from accounts import browsers, exports, languages, portraits, profiles, removal, schemas
from accounts.limits import COPIES, LEAVES, PORTRAITS
from accounts.models import Viewer
from accounts.representation import person
from accounts.requests import acting_viewer, viewer_auth
from realtime import act_limits
from realtime.answers import SENDING, answer, error, errors
from realtime.log.threads import backend_threads
from web.answers import ACTING
from web.files import FilePart
from web.moments import to_ms
from web.refusals import Forbidden, NotFound
from web.schemas import Id
from web.turns import Busy, busy, sign_ins
from web.uploads import BODY, kind_of

router = Router()
TAGS = ["account"]
PORTRAIT_SECONDS = 86_400  # for which others keep it; a newer one has another address


def _account(request: HttpRequest) -> Viewer:
    """Return who acts, if they have an account. Raises Forbidden."""
    viewer = acting_viewer(request)
    if viewer.is_guest:
        raise Forbidden("This is for accounts: sign up, or sign in.")
    return viewer


def _account_json(viewer: Viewer) -> dict[str, Any]:
    address = EmailAddress.objects.filter(user=viewer).order_by("-verified", "-id").first()
    return {
        "viewer": person(viewer),
        "username": viewer.username,
        "email": address.email if address else None,
        "is_email_confirmed": bool(address and address.verified),
        "has_password": viewer.has_usable_password(),
        "joined_at_ms": to_ms(viewer.date_joined),
    }


@router.get(
    "/me/account", response={200: schemas.AccountOut, **ACTING}, tags=TAGS, auth=viewer_auth, summary="Get your account"
)
async def get_account(request: HttpRequest) -> HttpResponse:
    return answer(await backend_threads.run(_account_json, _account(request)))


@router.patch(
    "/me/account",
    response={200: schemas.AccountOut, **SENDING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Change your name",
)
async def update_account(request: HttpRequest, body: schemas.AccountPatch) -> HttpResponse:
    """What you have written carries the new name when it is read again. A reserved one is 422 `reserved`, one that
    another account has is 409 `name_taken`.
    """
    viewer = _account(request)

    def change() -> dict[str, Any]:
        profiles.rename(viewer, body.name)
        return _account_json(viewer)

    return answer(await backend_threads.run(change))


@router.put(
    "/me/portrait",
    response={200: schemas.PortraitOut, **SENDING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Send a picture of yourself",
    openapi_extra=BODY,
)
async def put_portrait(request: HttpRequest) -> HttpResponse:
    """A JPEG, PNG or WebP file of 64 KB at most, as the body. It is made 256 x 256, and everybody may see it.

    What cannot be used is 422 `bad_picture`.
    """
    viewer, kind = _account(request), kind_of(request)
    act_limits.take(PORTRAITS, viewer)
    made = await asyncio.to_thread(portraits.as_portrait, kind, request.body)
    return answer({"path": await backend_threads.run(portraits.keep, viewer, made)})


@router.delete(
    "/me/portrait",
    response={204: None, **ACTING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Take your picture away",
)
async def delete_portrait(request: HttpRequest) -> HttpResponse:
    await backend_threads.run(portraits.remove, _account(request))
    return HttpResponse(status=204)


@router.get(
    "/viewers/{viewer_id}/portrait",
    response={200: None, **errors(404, 422, 503)},
    tags=["viewers"],
    summary="Get the picture of a person",
    openapi_extra={"responses": {200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}}},
)
async def get_portrait(request: HttpRequest, viewer_id: Annotated[Id, Path()]) -> HttpResponse:
    """A JPEG of 256 x 256. 404: they have none."""
    data = await backend_threads.run(portraits.read, viewer_id)
    if data is None:
        raise NotFound("This person has no picture.")
    response = HttpResponse(data, content_type="image/jpeg")
    response.headers["Cache-Control"] = f"public, max-age={PORTRAIT_SECONDS}"
    return response


@router.put(
    "/me/language",
    response={204: None, **SENDING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Choose your language",
)
async def choose_language(request: HttpRequest, body: schemas.LanguageIn) -> HttpResponse:
    """Of pages, mails and the texts of errors; for guests, too."""
    await backend_threads.run(languages.choose, acting_viewer(request), body.language)
    return HttpResponse(status=204)


@router.get(
    "/me/browsers",
    response={200: schemas.BrowsersOut, **ACTING},
    tags=TAGS,
    auth=viewer_auth,
    summary="List where your account is signed in",
)
async def list_browsers(request: HttpRequest) -> HttpResponse:
    """Sessions of browsers, the newest first. Bearer tokens are not listed: a new password ends them."""
    found = await backend_threads.run(browsers.open_browsers, _account(request))
    items = [
        {
            "id": browser.id,
            "name": browsers.described(browser.agent),
            "address": browser.address,
            "began_at_ms": to_ms(browser.began_at),
        }
        for browser in found
    ]
    return answer({"items": items})


@router.delete(
    "/me/browsers/{browser_id}",
    response={204: None, **ACTING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Sign your account out in one browser",
)
async def end_browser(request: HttpRequest, browser_id: schemas.BrowserId) -> HttpResponse:
    """Its streams end within 5 s."""
    await backend_threads.run(browsers.end, _account(request), browser_id)
    return HttpResponse(status=204)


@router.get(
    "/me/copy",
    response={200: schemas.CopyOut, **ACTING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Get a copy of all that your account has",
)
async def get_copy(request: HttpRequest) -> HttpResponse:
    """One JSON file with what you have made and chosen; nothing that others say of you or to you."""
    viewer = _account(request)
    act_limits.take(COPIES, viewer)
    file = await backend_threads.run(exports.copy_of, viewer)
    response = FilePart(file, 0, file.tell())
    response.headers["Content-Type"] = "application/json"
    response.headers["Content-Disposition"] = content_disposition_header(True, f"{viewer.username}.json") or ""
    response.headers["Cache-Control"] = "no-store"
    return response


@router.post(
    "/me/erasure",
    response={202: None, **SENDING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Delete your account, for good",
)
async def erase_account(request: HttpRequest, body: schemas.ErasureIn) -> HttpResponse:
    """With everything: likes, comments, messages, videos. Say your username, and your password if you have one.

    It is signed out everywhere at once, and deleted within a minute or some. An account of staff is 409 `staff`.
    """
    viewer = _account(request)
    act_limits.take(LEAVES, viewer)

    try:
        async with sign_ins.turn():  # Not in a thread of the database: a password takes a busy core for seconds.
            await asyncio.to_thread(profiles.check_leaving, viewer, body.username, body.password)
    except Busy:
        return error(503, "unavailable", busy(), retry_seconds=3)
    await backend_threads.run(removal.ask_for_erasure, viewer)
    return HttpResponse(status=202)
