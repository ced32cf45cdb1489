"""Move the database between this machine and an environment."""

from invoke import Context

from slipway.cli import call
from slipway.tasks import ENV, JSON, YES, task

SOURCE = {
    "from_": "URL of another database to push instead of the local one; '-' reads it from stdin",
    "dump": "file or folder that pg_dump has made, to push instead",
}


@task(help={**ENV, **SOURCE, **YES, **JSON})
def push_db(
    _: Context,
    env: str = "test",
    from_: str = "",
    dump: str = "",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Replace the environment's database by the local one; the old one is kept.

    The local database is streamed into one beside the deployed one, verified, then switched in
    one step. Whatever interrupts it, the old one serves. 'invoke undo-db' switches back.
    """
    question = "Replace the database of {env}?"
    call("database:push_db", env=env, yes=yes, json=json, ask=question, url=from_, dump=dump)


EXCLUDE = {"exclude_data": "copy only the definition of this table; may be given several times"}


@task(help={**ENV, **EXCLUDE, **YES, **JSON}, iterable=["exclude_data"])
def pull_db(
    _: Context,
    env: str = "test",
    exclude_data: list[str] | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Replace the local database by the environment's; the old one is kept."""
    question = "Replace the local database by that of {env}?"
    left_out = exclude_data or []
    call("database:pull_db", env=env, yes=yes, json=json, ask=question, exclude_data=left_out)


UNDO = {
    "local": "this machine's databases, after pull-db",
    "drop_previous": "drop the one that was kept; there is no way back then",
}


@task(help={**ENV, **UNDO, **YES, **JSON})
def undo_db(
    _: Context,
    env: str = "test",
    local: bool = False,
    drop_previous: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Switch back to the database that served before; the present one is kept instead.

    Nothing is copied and nothing is lost: called twice, it is as before.
    """
    verb, where = "Drop" if drop_previous else "Go back to", "this machine" if local else "{env}"
    call(
        "database:undo_db",
        env=env,
        yes=yes,
        json=json,
        ask=f"{verb} the previous database of {where}?",
        local=local,
        drop_previous=drop_previous,
    )
