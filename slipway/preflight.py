"""Check what a deploy needs before it touches anything."""

from slipway import build, dsn, probe, stackfile, swarm, variables
from slipway.engine import Engine
from slipway.environment import Environment
from slipway.errors import ConfigurationError, ConfigurationErrors, HostError

PROXY_NETWORK = "slipway-proxy"
REQUIRED = ("SECRET_KEY", "DOMAIN", "DATABASE_URL", "DEFAULT_STORAGE_DSN")
SECRET_LIMIT = 500_000


def check_files(environment: Environment) -> str:
    """Check the env file, Dockerfile and stack file, and return the text of the latter.

    Raises ConfigurationErrors with every problem at once.
    """
    problems: list[ConfigurationError] = []
    for name in (build.DOCKERFILE, stackfile.WHERE):
        if not (environment.root / name).is_file():
            problems.append(ConfigurationError(name, "is missing", "take it from git"))
    try:
        probe.refuse_bad_root(environment)
    except ConfigurationError as error:
        problems.append(error)
    problems += _variables(environment)
    if problems:
        raise ConfigurationErrors(problems)
    text = (environment.root / stackfile.WHERE).read_text(encoding="utf-8")
    stackfile.one_off(text)
    return text


def check_swarm(environment: Environment, manager: Engine) -> None:
    """Check that the hosts are one Swarm with the networks of the site; raises HostError."""
    hint = f"run 'invoke provision -e {environment.name}'"
    state = manager.client.info()["Swarm"]
    if state["LocalNodeState"] != "active" or not state.get("ControlAvailable"):
        raise HostError(manager.name, "leads no Swarm", hint)
    if state.get("Nodes", 0) < len(environment.hosts):
        what = f"its Swarm has {state.get('Nodes')} of {len(environment.hosts)} hosts"
        raise HostError(manager.name, what, hint)
    takers = swarm.takers(manager)
    if len(takers) > len(environment.hosts):
        what = f"its Swarm gives tasks to {', '.join(sorted(takers))}"
        where = f"env/{environment.name}.toml"
        raise HostError(
            manager.name, f"{what}, but {where} names only {len(environment.hosts)}",
            "for the one taken out run 'docker node update --availability drain NAME' there",
        )  # fmt: skip
    there = {network["Name"] for network in manager.client.api.networks()}
    for network in (PROXY_NETWORK, environment.stack):
        if network not in there:
            raise HostError(manager.name, f"has no network {network}", hint)


def _variables(environment: Environment) -> list[ConfigurationError]:
    problems = []
    for name in REQUIRED:
        try:
            value = environment.variable(name)
            if name == "DATABASE_URL":
                dsn.database(value)
            elif name == "DEFAULT_STORAGE_DSN":
                variables.storage(environment)
        except ConfigurationError as error:
            problems.append(error)
    if not problems and environment.env_file.stat().st_size > SECRET_LIMIT:
        where = f"env/{environment.name}.env"
        problems.append(ConfigurationError(where, "is larger than 500 kB", "take values out"))
    return problems
