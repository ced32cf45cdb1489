"""Bring an environment into being: storage, key, env file, hosts, database; and prove it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipway import (
    baseimages,
    envfile,
    hosts,
    inventory,
    planfile,
    shipping,
    ssh,
    storage,
    variables,
)
from slipway.command import Shell
from slipway.console import Console, seconds
from slipway.environment import Environment, read_variables
from slipway.errors import OK, ConfigurationError, DatabaseError, Declined, HostError, SlipwayError
from slipway.interrupt import cleans_up
from slipway.plan import Action, Change, Plan
from slipway.postgres import role
from slipway.postgres.quoting import literal
from slipway.secrets import Secret
from slipway.settings.hosts import Host
from slipway.storage.base import Provider, Step

PROVEN = "storage proven: written, read by its public URL, listing refused"


@dataclass(frozen=True, slots=True)
class Work:
    """Hold what was found and what is to be done about it."""

    provider: Provider
    steps: list[Step]
    values: dict[str, str | Secret]
    plan: Plan


def provision(
    environment: Environment,
    console: Console,
    *,
    plan_only: bool = False,
    new_secrets: bool = False,
    out: str = "",
    apply: str = "",
    accept_loss: bool = False,
) -> int:
    """Show what differs, ask, converge, and prove the result.

    With `new_secrets` a lost env file of a running site is made anew. `out` saves the plan to a
    file and changes nothing; `apply` makes a saved plan, or refuses because the world moved;
    `accept_loss` answers the question that comes before data is lost, which `--yes` does not.
    Returns the exit code: 0, or with `plan_only` or `out` 2 where there are changes. Raises
    SlipwayError.
    """
    begin = time.monotonic()
    plan_only = plan_only or bool(out)
    console.title(f"Provision {environment.name}: {environment.site.url}")
    work = _look(environment, console, new_secrets)
    _show(work, console)
    if apply:
        planfile.check(Path(apply), environment, work.plan)
    if out:
        planfile.save(Path(out), environment, work.plan)
    if not plan_only:
        if work.plan:
            _ask(environment, work.plan, console, accept_loss)
            with cleans_up():
                _converge(environment, work, console)
        with console.step(PROVEN, "storage"):
            work.provider.prove()
        _conclude(environment, work.plan, console, begin)
    _report(environment, work, console, applied=not plan_only, begin=begin)
    return work.plan.exit_code if plan_only else OK


def _report(
    environment: Environment, work: Work, console: Console, *, applied: bool, begin: float
) -> None:
    console.result(
        {
            "environment": environment.name,
            "site": environment.site.url,
            "changes": work.plan.as_json(),
            "notes": work.provider.notes,
            "applied": applied,
            "parts": console.parts,
            "seconds": round(time.monotonic() - begin, 3),
        }
    )


def _look(environment: Environment, console: Console, new_secrets: bool = False) -> Work:
    provider = storage.provider(environment)
    with console.step("storage read", "storage"):
        steps = provider.steps()
    values = variables.values(environment, provider.dsn())
    with console.step("hosts read", "hosts"):
        on_hosts = hosts.converge(environment, check=True, progress=console.tick).changes
    with console.step("database read", "database"):
        on_database, role_exists = _database_changes(environment, values)
    if variables.managed(environment):
        console.say("DATABASE_URL names a server of its own: its database is left alone")
    lost = not environment.env_file.is_file() and (role_exists or provider.provisioned())
    if lost and not new_secrets:
        raise ConfigurationError(
            f"env/{environment.env_file.name}",
            f"is missing, but {environment.name} is provisioned already",
            "get it from a colleague (docs/howto/team-secrets.md), or run again with --new-secrets",
        )
    plan = Plan.of(
        [step.change for step in steps],
        _env_changes(environment, values, lost),
        on_hosts,
        on_database,
    )
    return Work(provider, steps, values, plan)


def _env_changes(
    environment: Environment, values: dict[str, str | Secret], lost: bool = False
) -> list[Change]:
    text = envfile.render(environment.root, values, environment.variables)
    names = envfile.differences(environment.env_file, text)
    action: Action = "change" if environment.env_file.is_file() else "create"
    resource = f"env/{environment.env_file.name}"
    after = "; the site must be deployed again" if lost else ""
    return [Change("env", action, resource, ", ".join(names) + after)] if names else []


def _database_changes(
    environment: Environment, values: dict[str, str | Secret]
) -> tuple[list[Change], bool]:
    """Return what differs, and whether the site's role exists already."""
    if variables.managed(environment):
        return [], False
    wanted = variables.database_of(values)
    exists = False
    try:
        with role.on_manager(Shell(), environment) as psql:
            query = f"SELECT 1 FROM pg_roles WHERE rolname = {literal(wanted.user)};"  # noqa: S608
            exists = bool(psql.query(query))
            found = role.differences(psql, wanted)
    except (DatabaseError, HostError):
        found = ["there is no database service yet"]
    if not found:
        return [], exists
    if exists and any(text.endswith(role.UNLIKE) for text in found):
        found.append("from then on the running site cannot connect until 'invoke deploy'")
    return [Change("database", "change", f"database {wanted.name}", "; ".join(found))], exists


def _show(work: Work, console: Console) -> None:
    if not work.plan:
        console.say("nothing to change")
    for change in work.plan.changes:
        console.say(change.line())
    for note in work.provider.notes:
        console.say(f"note: {note}")


def _ask(environment: Environment, plan: Plan, console: Console, accept_loss: bool) -> None:
    if plan.losses and not accept_loss:
        if console.assume_yes:
            what = f"{plan.losses[0].resource} would lose data, which --yes does not agree to"
            raise Declined(environment.name, what, "add --accept-loss")
        console.confirm("Some of these changes lose data.", type_name=environment.name)
        return
    count = len(plan.changes)
    question = f"Make {count} change{'s' if count > 1 else ''} to {environment.name}?"
    console.confirm(question, type_name=environment.typed_name)


def _converge(environment: Environment, work: Work, console: Console) -> None:
    lacking = _lacking(environment) if work.plan.of_part("hosts") else []
    if lacking:
        # An image that nobody has must stop the run before anything is changed.
        baseimages.obtain(inventory.service_images(environment), Shell(), console)
    with _no_orphaned_key(environment, work.provider, console):
        for step in work.steps:
            with console.step(step.change.resource, "storage"):
                step.act()
        _write_env_file(environment, work, console)
    work.provider.settle()
    if work.plan.of_part("hosts"):
        _converge_hosts(environment, lacking, console)
    if work.plan.of_part("database"):
        wanted = variables.database_of(work.values)
        with (
            console.step(f"database {wanted.name} and its owner", "database"),
            role.on_manager(Shell(), environment) as psql,
        ):
            role.converge(psql, wanted)


@contextmanager
def _no_orphaned_key(
    environment: Environment, provider: Provider, console: Console
) -> Iterator[None]:
    """Delete the new key again where it does not reach the env file."""
    before = provider.dsn()
    try:
        yield
    except BaseException:
        made = provider.dsn()
        kept = read_variables(environment.env_file).get("DEFAULT_STORAGE_DSN")
        if made is None or made == before or kept != made.render():
            try:
                provider.withdraw()
            except SlipwayError as error:
                console.warn(f"the new key could not be deleted again: {error}")
        raise


def _write_env_file(environment: Environment, work: Work, console: Console) -> None:
    storage_dsn = work.provider.dsn()
    if storage_dsn:
        work.values["default_storage_dsn"] = storage_dsn.render()
    text = envfile.render(environment.root, work.values, environment.variables)
    envfile.refuse_changed(environment.env_file, environment.variables)
    if envfile.differences(environment.env_file, text):
        with console.step(f"env/{environment.env_file.name} written (0600)", "env"):
            envfile.write(environment.env_file, envfile.merged(_present(environment), text))


def _present(environment: Environment) -> str:
    path = environment.env_file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _converge_hosts(environment: Environment, lacking: list[Host], console: Console) -> None:
    with console.step("hosts converged by Ansible", "hosts") as notes:
        if not lacking:
            found = hosts.converge(environment, check=False, progress=console.tick)
        else:
            with shipping.registry(Shell(), console) as registry:
                for image in inventory.service_images(environment):
                    registry.push(image)
                with registry.tunnels(lacking) as port:
                    found = hosts.converge(
                        environment, check=False, registry_port=port, progress=console.tick
                    )
        notes.append(f"{len(found.changes)} changes")


def _lacking(environment: Environment) -> list[Host]:
    """Return the hosts that do not hold every image that they need."""
    words = ("docker", "image", "inspect", *inventory.service_images(environment))
    return [
        host for host in environment.hosts if ssh.run(Shell(), host, *words, check=False).code != 0
    ]


def _conclude(environment: Environment, plan: Plan, console: Console, begin: float) -> None:
    count = len(plan.changes)
    made = f"{count} change{'s' if count != 1 else ''} made" if count else "nothing changed"
    console.say(f"{environment.name} is provisioned: {made}, {seconds(time.monotonic() - begin)}")
