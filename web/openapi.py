"""The API's description of itself: `openapi.json`, as strict as the server is. The docs page is made of it.

The site makes one `Api`; its docs page reads the description. What django-ninja cannot say is added here, once:
short names of operations, who may call them, how the answer of one names the path of another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.operation import Operation

Document = dict[str, Any]

SESSION = (
    "Of a signed-in viewer, or of a guest. With POST, PUT, PATCH and DELETE send the value of the cookie `csrftoken`"
    " as `X-CSRFToken` too."
)
BEARER = "What `createGuest` answered, or what the operator has given out: `Authorization: Bearer <token>`."
# The same for each error in all calls; `code` says more.
ERRORS = {
    "400": "The body is not JSON (`malformed`), or the request is none.",
    "401": "There is no identity, or it is good no longer.",
    "403": "It is not for this viewer (`forbidden`), or a session came without its token (`csrf`).",
    "404": "There is no such thing, or it is not for this viewer: the two look the same.",
    "409": "It does not go with how things are, as a comment on a video that has ended (`video_ended`).",
    "413": "The body is too large.",
    "415": "The body is not sent as `application/json` in UTF-8.",
    "422": "A field or a filter is not valid: `detail` names it.",
    "429": "Too often: wait for the seconds that `Retry-After` says.",
    "503": "The database or a node is away: come back after the seconds that `Retry-After` says.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}


class Api(NinjaAPI):
    """The API with a description that can be relied on. Made once; described when it is first asked for.

    `made`: operation that makes a thing -> the parameter by which other operations name it.
    """

    def __init__(self, *, made: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        self._made = made

    def get_openapi_operation_id(self, operation: Operation) -> str:
        first, *more = operation.view_func.__name__.split("_")
        return first + "".join(word.title() for word in more)

    @cached_property
    def document(self) -> Document:
        """The description, complete."""
        found: Document = orjson.loads(orjson.dumps(self.get_openapi_schema(), option=orjson.OPT_NON_STR_KEYS))
        operations = [each for methods in found["paths"].values() for each in methods.values()]
        for operation in operations:
            operation.setdefault("security", [])
            for status in operation["responses"].keys() & ERRORS.keys():
                operation["responses"][status]["description"] = ERRORS[status]
                if status in ("429", "503"):
                    operation["responses"][status]["headers"] = RETRY_AFTER
        for name, text in (("Bearer", BEARER), ("Session", SESSION)):
            found["components"]["securitySchemes"][name]["description"] = text
        _link(found, self._made)
        return found

    @cached_property
    def body(self) -> bytes:
        return orjson.dumps(self.document)


def _link(document: Document, made: Mapping[str, str]) -> None:
    """Say which calls take the id in a call's answer."""
    at = {each["operationId"]: path for path, methods in document["paths"].items() for each in methods.values()}
    for maker, name in made.items():
        own = set(re.findall(r"{(\w+)}", at[maker]))
        links = {}
        for path, methods in document["paths"].items():
            names = set(re.findall(r"{(\w+)}", path))
            if name in names and names - {name} <= own:
                known = {other: f"$request.path.{other}" for other in sorted(names - {name})}
                parameters = {name: "$response.body#/id", **known}
                for each in methods.values():
                    links[each["operationId"]] = {"operationId": each["operationId"], "parameters": parameters}
        responses = document["paths"][at[maker]]["post"]["responses"]
        for status in responses.keys() & {"200", "201"}:
            responses[status]["links"] = links


def openapi_json(api: Api) -> Any:
    """Return the view of the description. Caches may ask it whether the description is still the same."""

    @require_safe
    async def view(request: HttpRequest) -> HttpResponse:
        tag = f'"{hashlib.blake2b(api.body, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        response = HttpResponse(api.body, content_type="application/json", headers=headers)
        return get_conditional_response(request, etag=tag, response=response) or response

    return view
