"""Say which values an environment's variables get; what is there and still valid is kept (pure)."""

from collections.abc import Mapping

from slipway import dsn
from slipway.environment import Environment
from slipway.errors import ConfigurationError
from slipway.secrets import Secret, generate

DATABASE_HOST = "db"
DATABASE, STORAGE = "DATABASE_URL", "DEFAULT_STORAGE_DSN"
SECRET_KEY_LENGTH = 50


def values(environment: Environment, storage: dsn.StorageDsn | None) -> dict[str, str | Secret]:
    """Return the variables of env/app.env.j2; without `storage` its DSN is left empty."""
    return {
        "stage": environment.name,
        "site_url": environment.site.url,
        "domain": environment.site.domain,
        "domain_aliases": ",".join(environment.site.aliases),
        "debug": "False",
        "secret_key": environment.variables.get("SECRET_KEY") or generate(SECRET_KEY_LENGTH),
        "database_url": managed(environment) or database(environment).render(),
        "default_storage_dsn": storage.render() if storage else Secret(""),
    }


def present(environment: Environment) -> dsn.StorageDsn | None:
    """Return the storage that the env file names, whichever it is.

    Raises DsnError where it cannot be read: nothing may take its place.
    """
    found = environment.variables.get(STORAGE)
    return dsn.storage(found, f"env/{environment.name}.env: {STORAGE}") if found else None


def storage(environment: Environment) -> dsn.StorageDsn:
    """Return the storage that the env file names, the one of env/<name>.toml.

    Raises ConfigurationError where it is missing, unreadable, or another one.
    """
    where = f"env/{environment.name}.env: {STORAGE}"
    found = dsn.storage(environment.variable(STORAGE), where)
    wanted = environment.storage
    if isinstance(found, dsn.FileDsn):
        return found
    named = found.bucket if isinstance(found, dsn.S3Dsn) else found.container
    if (named, found.prefix) != (wanted.bucket, wanted.prefix):
        what = f"names the bucket {named}, env/{environment.name}.toml {wanted.bucket}"
        raise ConfigurationError(where, what, f"run 'invoke provision -e {environment.name}'")
    return found


def database(environment: Environment) -> dsn.DatabaseDsn:
    """Return the database's DSN: the present password, or a new one where there is none.

    Raises DsnError where the present one cannot be read: nothing may take its place.
    """
    present = _database(environment)
    return dsn.DatabaseDsn(
        user=environment.database,
        password=(present and present.password) or generate(32),
        host=DATABASE_HOST,
        name=environment.database,
    )


def managed(environment: Environment) -> Secret | None:
    """Return the DATABASE_URL that names a server other than the environment's own, if one does.

    Raises DsnError where it cannot be read, or is no PostgreSQL's.
    """
    found = _database(environment)
    elsewhere = found and found.host != DATABASE_HOST
    return environment.variables[DATABASE] if elsewhere else None


def check(name: str, value: str, where: str) -> None:
    """Raise DsnError where the value of a variable that holds a DSN cannot be read as one."""
    if name == STORAGE and value:
        dsn.storage(Secret(value), where)
    if name == DATABASE and value:
        dsn.database(Secret(value), where)


def _database(environment: Environment) -> dsn.DatabaseDsn | None:
    present = environment.variables.get(DATABASE)
    where = f"env/{environment.name}.env: {DATABASE}"
    return dsn.database(present, where) if present else None


def database_of(values: Mapping[str, str | Secret]) -> dsn.DatabaseDsn:
    """Return the database that the variables name."""
    url = values["database_url"]
    return dsn.database(url if isinstance(url, Secret) else Secret(url))
