"""Database work off the event loop, with a deadline: a slow or dead database is an error after a set time, never an
endless wait.

Hop: beside the path; used by the node's store and by the backend's API. asgiref has only one `thread_sensitive` thread,
where one slow query would delay all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

from realtime.log.outages import first_line, is_outage, reason
from realtime.log.store import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThreads:
    """A few threads for Django's ORM. `answer_seconds` is how long a caller waits at most."""

    def __init__(self, count: int, *, answer_seconds: float, name: str) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=name)
        self.answer_seconds = answer_seconds

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns, or raise what it raises. Raises StoreUnavailable."""

        def guarded() -> T:
            close_old_connections()
            try:
                return work(*args, **kwargs)
            except Exception as error:
                if not is_outage(error):
                    raise
                raise StoreUnavailable(first_line(error), reason=reason(error)) from error
            finally:
                close_old_connections()

        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, guarded)
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the answer.
            async with asyncio.timeout(self.answer_seconds):
                return await future
        except TimeoutError as error:
            raise StoreUnavailable("the database did not answer in time") from error


backend_threads = DatabaseThreads(4, answer_seconds=1.8, name="backend-database")
