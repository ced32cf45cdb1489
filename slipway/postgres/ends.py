"""Find where a database comes from and where it goes."""

from dataclasses import dataclass, replace
from pathlib import Path

from slipway import dsn
from slipway.command import Shell
from slipway.environment import Environment
from slipway.errors import ConfigurationError
from slipway.postgres import server
from slipway.postgres.names import Names
from slipway.postgres.server import Server
from slipway.secrets import Secret

VARIABLE, FROM = "DATABASE_URL", "--from"
SERVICE = "db"


@dataclass(frozen=True, slots=True)
class Ends:
    """Hold a database and the one that it replaces; `owner` is the role of the site there.

    With `pull` the target is the local one.
    """

    source: Server
    database: str
    target: Server
    names: Names
    owner: str
    pull: bool = False

    @property
    def hint(self) -> str:
        """Return what makes a target that is not there."""
        return "run 'invoke local.up'" if self.pull else "run 'invoke provision'"


def find(shell: Shell, environment: Environment, url: str = "") -> Ends:
    """Find both databases; with `url` the source is that one, not the local site's.

    Raises ConfigurationError, DatabaseError or HostError.
    """
    wanted = _wanted(environment)
    if url:
        address = dsn.database(Secret(url), FROM)
        image = environment.database_service.image
        source, database = server.elsewhere(address, Path.cwd(), image=image), address.name
    else:
        source, database = server.local(environment)
    target = served(shell, environment)
    return Ends(source, database, target, Names(wanted.name), wanted.user)


def find_target(shell: Shell, environment: Environment) -> Ends:
    """Find the environment's database alone, for a source that is no database."""
    wanted, target = _wanted(environment), served(shell, environment)
    return Ends(target, wanted.name, target, Names(wanted.name), wanted.user)


def find_back(shell: Shell, environment: Environment) -> Ends:
    """Find both databases for the way back; raises what find() raises."""
    wanted = _wanted(environment)
    target, database = server.local(environment)
    source = served(shell, environment)
    return Ends(source, wanted.name, target, Names(database), target.user, pull=True)


def served(shell: Shell, environment: Environment) -> Server:
    """Return the environment's server: the service on its hosts, or the one that its URL names.

    The latter is reached from the first host, for it may answer nobody else. Its authorities'
    certificates are where the site sees them, so in the repository's app/.
    """
    wanted = _wanted(environment)
    if wanted.host == SERVICE:
        return server.deployed(shell, environment)
    seen = replace(wanted, sslrootcert=wanted.sslrootcert.removeprefix("/app/"))
    if seen.sslrootcert.startswith("/"):
        what = f"sslrootcert: {seen.sslrootcert} is not below /app, which is app/ of the repository"
        hint = "put the authorities' certificates (PEM) there"
        raise ConfigurationError(f"env/{environment.name}.env: {VARIABLE}", what, hint)
    image = environment.database_service.image
    return server.elsewhere(seen, environment.root / "app", environment.manager, image)


def _wanted(environment: Environment) -> dsn.DatabaseDsn:
    where = f"env/{environment.name}.env: {VARIABLE}"
    return dsn.database(environment.variable(VARIABLE), where)
