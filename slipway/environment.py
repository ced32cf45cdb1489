"""Read env/<name>.toml and env/<name>.env into one frozen Environment: the only reader."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

from slipway.errors import ConfigurationError
from slipway.secrets import Secret
from slipway.settings import (
    checks,
    database,
    hosts,
    media,
    registry,
    release,
    server,
    site,
    storage,
    web,
)
from slipway.settings.database import Database
from slipway.settings.hosts import Host
from slipway.settings.media import Media
from slipway.settings.registry import Registry
from slipway.settings.release import ReleasePhase
from slipway.settings.server import Server
from slipway.settings.site import Site
from slipway.settings.storage import Storage
from slipway.settings.web import Web
from slipway.toml import Problems, Table

# env/local.env is the local site's; env/example.toml explains the settings.
RESERVED = {"local", "example"}
# `myapp-live-trial` is a stack of the environment live.
ENDINGS = {"release", "trial", "plan", "services"}


@dataclass(frozen=True, slots=True)
class Environment:
    """Hold everything that is known of one environment, such as test or live."""

    name: str
    root: Path
    project: str
    site: Site
    hosts: tuple[Host, ...]
    storage: Storage
    server: Server = field(default_factory=Server)
    database_service: Database = field(default_factory=Database)
    web: Web = field(default_factory=Web)
    media: Media = field(default_factory=Media)
    release: ReleasePhase = field(default_factory=ReleasePhase)
    registry: Registry = field(default_factory=Registry)
    variables: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def stack(self) -> str:
        """Return the name of the environment's stack on the hosts: `<project>-<name>`."""
        return f"{self.project}-{self.name}"

    @property
    def database(self) -> str:
        """Return the name of the site's database, which is its owner's name too."""
        return self.project.replace("-", "_")

    @property
    def manager(self) -> Host:
        """Return the host that leads the Swarm: the first one."""
        return self.hosts[0]

    @property
    def env_file(self) -> Path:
        """Return the path of the generated env file."""
        return self.root / "env" / f"{self.name}.env"

    @property
    def typed_name(self) -> str:
        """Return what a person must type before this environment is changed: live's own name."""
        return self.name if self.name == "live" else ""

    def variable(self, name: str) -> Secret:
        """Return one variable of the env file; raises ConfigurationError where it is missing."""
        value = self.variables.get(name)
        if not value:
            raise ConfigurationError(
                f"env/{self.name}.env",
                f"{name} is missing",
                f"run 'invoke provision -e {self.name}'",
            )
        return value


def load(name: str, root: Path) -> Environment:
    """Read the environment `name` of the repository at `root`.

    Raises ConfigurationError, or ConfigurationErrors with every problem at once.
    """
    where = f"env/{name}.toml"
    if not checks.NAME.fullmatch(name) or name in RESERVED or name.split("-")[-1] in ENDINGS:
        raise ConfigurationError(
            f"the environment {name!r}", "cannot have this name",
            "take small letters, digits and hyphens; local and example are taken, "
            "and so is what ends in -release, -trial, -plan or -services",
        )  # fmt: skip
    problems = Problems(where)
    table = Table(_toml(root, name, where), "", problems)
    environment = _environment(table, name, root)
    table.finish()
    problems.raise_all()
    return environment


def read_variables(path: Path) -> dict[str, Secret]:
    """Read an env file as it is written, without substitution; a missing one is empty."""
    values = dotenv_values(path, interpolate=False) if path.is_file() else {}
    return {name: Secret(value) for name, value in values.items() if value is not None}


def names(root: Path) -> list[str]:
    """List the environments of a repository."""
    return sorted(p.stem for p in (root / "env").glob("*.toml") if p.stem != "example")


def _toml(root: Path, name: str, where: str) -> dict[str, object]:
    path = root / "env" / f"{name}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = names(root)
        near = "".join(f"did you mean {one}? " for one in get_close_matches(name, known, n=1))
        hint = f"{near}choose one of: {', '.join(known) or 'none'}, or copy env/example.toml"
        raise ConfigurationError(where, "does not exist", hint) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(where, f"is no TOML: {error}", "mend that line") from None


def _environment(table: Table, name: str, root: Path) -> Environment:
    project = table.text("project", check=checks.name, example='"myapp"')
    where = site.read(table.table("site"), root)
    return Environment(
        name=name,
        root=root,
        project=project,
        site=where,
        hosts=hosts.read(table, root),
        storage=storage.read(table.table("storage"), root, where),
        server=server.read(table.table("server")),
        database_service=database.read(table.table("database")),
        web=web.read(table.table("web")),
        media=media.read(table.table("media")),
        release=release.read(table.table("release")),
        registry=registry.read(table.table("registry")),
        variables=read_variables(root / "env" / f"{name}.env"),
    )
