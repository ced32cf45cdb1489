"""Look after a running site, and find out what is wrong."""

from invoke import Context

from slipway.cli import call
from slipway.tasks import ENV, JSON, YES, task

SERVICE = {"service": "web, db or proxy"}


@task(help={**ENV, **JSON})
def status(_: Context, env: str = "test", json: bool = False) -> None:
    """Show hosts, services, release, site, storage, database, env file; exit 11 if one is bad.

    Changes nothing. 'invoke doctor' goes deeper and says the next step for each fault.
    """
    call("status:status", env=env, json=json, ask=None)


@task(help={**ENV, **JSON})
def doctor(_: Context, env: str = "test", json: bool = False) -> None:
    """Find what is wrong here and on the hosts, with the next step for each; change nothing.

    Looks at this machine, app/, env/NAME.toml, env/NAME.env, the hosts and the site. Start here
    when something does not work. Exit code 11 where something is broken.
    """
    call("doctor:doctor", json=json, name=env)


@task(
    help={
        **ENV,
        "follow": "go on with what comes; Ctrl-C ends it",
        "since": "30m, 2h, 1d or a time such as 2026-01-31T12:00:00; without it 100 lines a task",
        **SERVICE,
    }
)
def logs(
    _: Context, env: str = "test", follow: bool = False, since: str = "", service: str = "web"
) -> None:
    """Print what the tasks of a service have written on all hosts, without secrets."""
    call("remote:logs", env=env, ask=None, follow=follow, since=since, service=service)


@task(help={**ENV, **SERVICE})
def shell(_: Context, env: str = "test", service: str = "web") -> None:
    """Open a shell in a running task of the site, on whichever host it is.

    'invoke manage -e NAME shell' opens Django's own.
    """
    call("remote:shell", env=env, ask=None, service=service)


@task(help={"command": "what comes after manage.py, in quotes", **ENV, **YES})
def manage(_: Context, command: str, env: str = "test", yes: bool = False) -> None:
    """Run a command of manage.py in a running task of the site; its exit code is passed on.

    For example: invoke manage -e live "showmigrations --plan"
    """
    call("remote:manage", env=env, yes=yes, command=command)


@task(help={**ENV, "host": "name of the host; without it the one that leads"})
def ssh(_: Context, env: str = "test", host: str = "") -> None:
    """Open a shell on a host."""
    call("remote:login", env=env, ask=None, host=host)


@task(
    help={
        **ENV,
        **YES,
        **JSON,
        "on": "show a page (503) instead of the site",
        "off": "show the site again",
    }
)
def maintenance(
    _: Context,
    env: str = "test",
    on: bool = False,
    off: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Show a page instead of the site on all hosts, until it is told to end."""
    call("maintenance:maintenance", env=env, yes=yes, json=json, on=on, off=off)


@task(help={**ENV, **YES, **JSON})
def prune(_: Context, env: str = "test", yes: bool = False, json: bool = False) -> None:
    """Remove images and env files of old releases, here and on the hosts; the newest 5 stay."""
    call("prune:prune", env=env, yes=yes, json=json)
