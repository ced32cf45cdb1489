from collections.abc import Iterator

import pytest

from slipway import baseimages
from slipway.postgres.server import Server
from slipway.secrets import Secret
from tests.conformance.database.servers import IMAGE, Pair, started

# A transaction that was prepared cannot be ended by ending connections.
PREPARED = ("-c", "max_prepared_transactions=5")


@pytest.fixture(scope="session")
def _pair() -> Iterator[Pair]:
    baseimages.ensure([IMAGE])
    local = {"POSTGRES_USER": "me", "POSTGRES_DB": "postgres", "POSTGRES_PASSWORD": "local"}
    with (
        started(variables=local) as source,
        started(arguments=PREPARED, variables={"POSTGRES_PASSWORD": "hosts"}) as target,
    ):
        yield Pair(
            Server("the local database", source, "me", password=Secret("local")),
            Server("host1", target),
        )


@pytest.fixture
def pair(_pair: Pair) -> Iterator[Pair]:
    yield _pair
    _pair.clear()
