"""Two regions for all tests of this folder: each breaks something between them, and finds it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import watched
from tests.regions.two import Regions, two_regions
from tests.sites import SiteFactory


@pytest.fixture(scope="package")
def both(site_factory: SiteFactory) -> Iterator[Regions]:
    with two_regions(site_factory, watched, env={"LIVE_PRESENCE_SECONDS": "2"}) as regions:
        yield regions


@pytest.fixture
def regions(both: Regions) -> Iterator[Regions]:
    """Both regions, with nothing cut."""
    both.mend()
    yield both
    both.mend()
    for site in (both.eu, both.us):
        assert site.relay
        if site.relay.exit_code() is not None:
            site.start_relay()
            site.wait_until_ready()
