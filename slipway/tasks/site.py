"""Bring releases of the site to its hosts, and look after them."""

from invoke import Context

from slipway.cli import call
from slipway.tasks import ENV, JSON, PLAN, YES, task

PROBE = {"probe": "send requests through the proxy meanwhile, and count those that fail"}
RELEASE = {"release": "name of the release; default: the one before that which runs"}
FORCE = {"force": "go back even where the database has migrations that the release does not know"}


@task(help={**ENV, **PLAN, **PROBE, **YES, **JSON})
def deploy(
    _: Context,
    env: str = "test",
    plan: bool = False,
    probe: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Build the image, ship it, migrate, and roll it out without a gap.

    The image is built here, sent through SSH without a registry, tried, and only then serves:
    on all hosts, or on none. What fails leaves the release before in place; 'invoke rollback'
    goes back to it later.
    """
    ask = None if plan else ""
    call("deploy:deploy", env=env, yes=yes, json=json, ask=ask, plan=plan, probe=probe)


@task(help={**ENV, **RELEASE, **FORCE, **PLAN, **PROBE, **YES, **JSON})
def rollback(
    _: Context,
    env: str = "test",
    release: str = "",
    force: bool = False,
    plan: bool = False,
    probe: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Go back to an earlier release: image, env file and stack file together.

    'invoke releases' lists the names. Refused where the older code does not know the
    database's migrations.
    """
    call(
        "rollback:rollback",
        env=env,
        yes=yes,
        json=json,
        ask=None if plan else "",
        release=release,
        force=force,
        plan=plan,
        probe=probe,
    )


@task(help={**ENV, **JSON})
def releases(_: Context, env: str = "test", json: bool = False) -> None:
    """List what was rolled out: who, when, which code, how it ended.

    Kept on the hosts, so every colleague sees the same. A name ends with the last commit that
    changed app/, and with -dirty where files there differed from it. * marks what serves.
    """
    call("rollback:releases", env=env, json=json, ask=None)
