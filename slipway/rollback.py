"""Go back to a release that served before: image, env file and stack file together."""

from slipway import history, rollout
from slipway.command import Shell
from slipway.console import Console, seconds, size
from slipway.deploy import opened
from slipway.deployment import Deployment, Fields
from slipway.environment import Environment
from slipway.errors import CHANGES, OK, DeployError
from slipway.history import Record
from slipway.interrupt import cleans_up
from slipway.release import FINGERPRINT_LABEL, NAME_LABEL, Release

COLUMNS = ("release", "action", "when", "who", "seconds", "shipped", "outcome")


def rollback(
    environment: Environment,
    console: Console,
    shell: Shell | None = None,
    *,
    release: str = "",
    force: bool = False,
    plan: bool = False,
    probe: bool = False,
) -> int:
    """Roll out a release of before as it was; by default the one before that which runs.

    The database is left as it is: where it has migrations that the older code does not know,
    this refuses, and with `force` names them. With `plan` it only says so. Returns the exit
    code. Raises DeployError.
    """
    console.title(f"Roll back {environment.project} on {environment.name}")
    with cleans_up(), opened(environment, console, shell or Shell()) as run:
        records = history.read(run.manager, environment.stack)
        # Also what runs badly is what to go back from.
        labels = rollout.specified(run.manager, environment.stack) or {}
        record = choose(records, str(labels.get(NAME_LABEL, "")), release)
        if history.key_replaced(records, record):
            what = "has the storage key that 'rotate-keys' has replaced since"
            raise DeployError(record.release, what, "check that revision out, and deploy it")
        run.stack_file = record.stack_file
        wanted = _release(environment, record)
        with run.alone("plans" if plan else "rolls back"):
            if plan:
                return _plan(run, wanted, force=force)
            _roll_back(run, wanted, force=force, probe=probe)
    return OK


def _plan(run: Deployment, wanted: Release, *, force: bool) -> int:
    _refuse_what_is_gone(run, wanted)
    _compare(run, wanted, force=force)
    run.console.say(f"~ {run.environment.stack}: {wanted.name} replaces what runs")
    run.console.result({"release": wanted.name, "changes": True})
    return CHANGES


def _roll_back(run: Deployment, wanted: Release, *, force: bool, probe: bool) -> None:
    with run.recorded(wanted, "rollback", []):
        _refuse_what_is_gone(run, wanted)
        _compare(run, wanted, force=force)
        with run.probed(probe) as sender:
            run.try_out(wanted)
            with run.put_back_on_failure():
                run.roll_out(wanted)
                run.verify()
    run.report(wanted, changed=True, sender=sender)


def releases(environment: Environment, console: Console) -> Fields:
    """Show what was rolled out: who, when, which code, how long, how it ended."""
    with opened(environment, console, Shell()) as run:
        records = history.read(run.manager, environment.stack)
        serving = _serving(run)
    newest = next((one for one in records if one.release == serving and one.good), None)
    rows = [_row(record, serves=record is newest) for record in records]
    console.table(COLUMNS, rows)
    fields: Fields = {"serving": serving, "releases": [one.fields() for one in records]}
    console.result(fields)
    return fields


def choose(records: list[Record], serving: str, name: str) -> Record:
    """Return the release to go back to (pure); raises DeployError where there is none."""
    known = {one.release: one for one in history.kept(records, len(records))}
    if name:
        if name not in known:
            there = ", ".join([*known][:5]) or "none"
            raise DeployError(name, "is no release that served here", f"there are: {there}")
        return known[name]
    path = history.path(records)
    before = path[: path.index(serving)] if serving in path else path
    older = [one for one in before if one in known]
    if not older:
        raise DeployError("rollback", "no release served before this one",
                          "'invoke releases' lists others, --release names one")  # fmt: skip
    return known[older[-1]]


def _release(environment: Environment, record: Record) -> Release:
    return Release(
        project=environment.project,
        name=record.release,
        revision=record.revision,
        image_id="",
        secret=record.secret,
        fingerprint=record.variables.get("FINGERPRINT", ""),
    )


def _serving(run: Deployment) -> str:
    labels = rollout.running(run.manager, run.environment.stack) or {}
    return str(labels.get(NAME_LABEL, "")) if labels.get(FINGERPRINT_LABEL) else ""


def _refuse_what_is_gone(run: Deployment, wanted: Release) -> None:
    lacking = run.missing(wanted.image)
    if lacking:
        what = f"its image is no longer on {', '.join(lacking)}"
        raise DeployError(wanted.name, what, "check that revision out, and deploy it")
    if not run.has_secret(wanted.secret):
        what = "its env file is no longer on the hosts"
        raise DeployError(wanted.name, what, "check that revision out, and deploy it")


def _compare(run: Deployment, wanted: Release, *, force: bool) -> None:
    try:
        unknown = run.unknown(wanted)
    except DeployError as error:
        if not force:
            raise
        run.console.warn(f"{wanted.name}: its migrations cannot be compared: {error.what}")
        return
    if unknown and not force:
        what = f"does not know the migrations {', '.join(unknown)}"
        hint = "undo them with 'manage.py migrate' first, or add --force if it can live with them"
        raise DeployError(wanted.name, what, hint)
    for name in unknown:
        run.console.warn(f"{wanted.name} does not know the migration {name}")


def _row(record: Record, *, serves: bool) -> tuple[str, ...]:
    """Return a line of the table; the name of a release holds its revision."""
    return (
        f"{'* ' if serves else '  '}{record.release}",
        record.action,
        record.when[5:16].replace("T", " "),
        record.who,
        seconds(record.seconds),
        size(record.bytes_shipped),
        "served" if record.good and not serves else record.outcome,
    )
