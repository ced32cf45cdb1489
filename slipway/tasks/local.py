"""Run the site on this machine."""

from invoke import Context

from slipway.cli import call
from slipway.tasks import YES, task

STORAGE = {"storage": "environment whose storage to use for now, e.g. test"}


@task(help={**STORAGE, **YES})
def up(_: Context, storage: str = "", yes: bool = False) -> None:
    """Start the site on this machine: http://localhost:8000.

    The first start writes env/local.env; media lie in ./data/media. With '--storage test' the
    site uses the storage of environment test instead, until the next start without it; no file
    is edited. To make a login: invoke local.manage createsuperuser
    """
    call("local:up", storage=storage, yes=yes)


@task(help={"volumes": "remove this checkout's local database as well", **YES})
def down(_: Context, volumes: bool = False, yes: bool = False) -> None:
    """Stop the site on this machine; its database and ./data stay.

    Start it again with 'invoke local.up'. An environment's storage chosen with --storage is
    let go. With --volumes the local database goes, too: the next start makes an empty one.
    """
    call("local:down", volumes=volumes, yes=yes)


@task(help={"command": "what comes after manage.py, in quotes"})
def manage(_: Context, command: str) -> None:
    """Run a command of manage.py in the local site.

    For example: invoke local.manage "makemigrations uploader"
    """
    call("local:manage", command=command)
