"""Real PostgreSQL and Valkey from their wheels, for the site, for `manage.py` commands and for the tests.

Standard library only: settings, `manage.py` and the test plugin import it before anything else. A data folder has one
owner, the process that holds the lock on `owner.json`; other commands attach to the owner's servers. PostgreSQL keeps
its data with full durability, Valkey keeps nothing: it only makes the site fast.
"""

from host.embedded.addresses import PORTS, database_url, free_port, redis_url
from host.embedded.claims import Ownership, claim, held, holding
from host.embedded.folder import data_dir, has_database, write_private
from host.embedded.lifetime import running, servers, throw_away
from host.embedded.postgres import MAJOR_VERSIONS, client_programs
from host.embedded.server import EmbeddedServer, started, wait_until_answers
from host.embedded.users import hand_over, temporary_folder
from host.errors import ServersError

__all__ = [
    "MAJOR_VERSIONS",
    "PORTS",
    "EmbeddedServer",
    "Ownership",
    "ServersError",
    "claim",
    "client_programs",
    "data_dir",
    "database_url",
    "free_port",
    "hand_over",
    "has_database",
    "held",
    "holding",
    "redis_url",
    "running",
    "servers",
    "started",
    "temporary_folder",
    "throw_away",
    "wait_until_answers",
    "write_private",
]
