"""A frontend node with an empty endpoint beside the API: `python -m benchmarks.ingest_node --fd N`.

Started by `benchmarks.ingest`. `PUT /api/v1/empty` is answered as every call of the API, `PUT /stock/v1/empty` by
Django's own ASGI handler with the same middleware: django-ninja as its documentation sets it up.
"""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings

import liveplatform.asgi as site
from liveplatform.node import main


def _add_endpoints() -> None:
    from django.core.handlers.asgi import ASGIHandler
    from django.http import HttpRequest
    from ninja import NinjaAPI

    from liveplatform import urls
    from liveplatform.api import api

    class Stock(ASGIHandler):
        def load_middleware(self, is_async: bool = False) -> None:
            full, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.API_MIDDLEWARE
            try:
                super().load_middleware(is_async=is_async)
            finally:
                settings.MIDDLEWARE = full

    async def empty(request: HttpRequest) -> dict[str, bool]:
        return {"ok": True}

    stock_api = NinjaAPI(urls_namespace="stock")
    stock_api.put("/empty")(empty)
    from django.urls import path

    urls.urlpatterns.insert(0, path("stock/v1/", stock_api.urls))
    own_api = NinjaAPI(urls_namespace="empty")
    own_api.put("/empty")(empty)
    urls.urlpatterns.insert(0, path("api/v1/bench/", own_api.urls))
    assert api
    stock = Stock()
    routes = site.application.application_mapping
    ours = routes["http"]

    async def http(scope: Any, receive: Any, send: Any) -> None:
        await (stock if scope["path"].startswith("/stock/") else ours)(scope, receive, send)

    routes["http"] = http


if __name__ == "__main__":
    _add_endpoints()
    sys.exit(main())
