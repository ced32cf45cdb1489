"""Move media files between this machine and an environment."""

from invoke import Context

from slipway.cli import call
from slipway.tasks import ENV, JSON, PLAN, YES, task

PULL = {
    "delete": "delete here what the storage does not have, last and after a question",
    "delete_most": "let --delete take more than half of the files",
    "checksum": "read every file instead of trusting what an earlier run learnt",
}


@task(
    help={
        **ENV,
        **YES,
        **JSON,
        "checksum": "read every file instead of trusting what an earlier run learnt",
        "delete": "delete objects that have no file here, after a question, last",
        "delete_most": "let --delete take more than half of the objects",
    }
)
def push_media(
    _: Context,
    env: str = "test",
    checksum: bool = False,
    delete: bool = False,
    delete_most: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Send what is new or changed in data/media to the environment's storage.

    Compared by size and content, sent in parallel, each file verified. Nothing is removed
    there unless --delete is given. Interrupted, the same command goes on where it stopped.
    """
    call(
        "media:push_media", env=env, yes=yes, json=json,
        checksum=checksum, delete=delete, delete_most=delete_most,
    )  # fmt: skip


@task(help={**ENV, **PULL, **PLAN, **YES, **JSON})
def pull_media(
    _: Context,
    env: str = "test",
    delete: bool = False,
    delete_most: bool = False,
    checksum: bool = False,
    plan: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Fetch what is new or changed in the environment's storage into data/media.

    A file is replaced by one rename when its content is verified. Local files that the storage
    does not have stay, unless --delete is given.
    """
    call(
        "pull:pull_media",
        env=env,
        yes=yes,
        json=json,
        ask=None,
        delete=delete,
        delete_most=delete_most,
        checksum=checksum,
        plan_only=plan,
    )


@task(help={**ENV, **JSON})
def check_media(_: Context, env: str = "test", json: bool = False) -> None:
    """List rows whose file is not in the storage, and objects that no row names."""
    call("check_media:check_media", env=env, json=json, ask=None)


@task(help={**ENV, **YES, **JSON})
def undo_media(_: Context, env: str = "test", yes: bool = False, json: bool = False) -> None:
    """Bring back what the last push of media overwrote or deleted (versioned buckets)."""
    call("undo_media:undo_media", env=env, yes=yes, json=json, ask=None)
