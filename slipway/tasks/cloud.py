"""Make and change what an environment runs on: bucket, key, DSN, env file, hosts."""

from invoke import Context

from slipway.cli import call
from slipway.tasks import ENV, JSON, PLAN, YES, task

NEW_SECRETS = {"new_secrets": "make new secrets for a running site whose env file is lost"}

PLANS = {
    "out": "save the plan to this file and change nothing",
    "apply": "do exactly what the plan in this file says, or refuse because the world moved",
    "accept_loss": "agree to changes that lose data; --yes alone does not",
}


@task(help={**ENV, **YES, **JSON, **PLAN, **PLANS, **NEW_SECRETS})
def provision(
    _: Context,
    env: str = "test",
    plan: bool = False,
    out: str = "",
    apply: str = "",
    accept_loss: bool = False,
    new_secrets: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Bring bucket, key, DSN, env file, hosts, proxy and database into being.

    Reads env/NAME.toml, shows what differs, asks, makes it so, and proves the storage by using
    it. Run it after each change of that file; a second run changes nothing. 'provision --plan'
    only looks. The administrator's key for the storage is taken from where AWS tools look.
    """
    call(
        "provision:provision",
        env=env,
        yes=yes,
        json=json,
        ask=None,
        plan_only=plan,
        out=out,
        apply=apply,
        accept_loss=accept_loss,
        new_secrets=new_secrets,
    )


@task(
    name="env-vars",
    help={
        **ENV,
        **YES,
        **JSON,
        "get": "print the value of one variable",
        "set": "NAME: its value comes from standard input; or NAME=VALUE, seen in process lists",
        "unset": "remove a variable",
        "diff": "name what differs from another environment, without values",
        "seal": "write env/NAME.env.vault, which may be committed; the password is asked for",
        "unseal": "write env/NAME.env from it",
    },
)
def env_vars(
    _: Context,
    env: str = "test",
    get: str = "",
    set: str = "",
    unset: str = "",
    diff: str = "",
    seal: bool = False,
    unseal: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """List an environment's variables, values hidden; get, set, unset, compare or seal them."""
    call(
        "envvars:env_vars",
        env=env,
        yes=yes,
        json=json,
        ask=None,
        get=get,
        set_=set,
        unset=unset,
        diff=diff,
        seal=seal,
        unseal=unseal,
    )


@task(help={**ENV, **YES, **JSON})
def rotate_keys(_: Context, env: str = "test", yes: bool = False, json: bool = False) -> None:
    """Replace the key of the site's storage without a failed request."""
    call("rotate:rotate_keys", env=env, yes=yes, json=json, ask=None)


WITH_OBJECTS = {"with_objects": "destroy the storage although there are files in it"}


@task(help={**ENV, **YES, **JSON, **PLAN, **WITH_OBJECTS})
def destroy(
    _: Context,
    env: str,
    plan: bool = False,
    with_objects: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Take an environment away for ever: site, database, storage, keys, env file."""
    call(
        "destroy:destroy",
        env=env,
        yes=yes,
        json=json,
        ask=None,
        plan_only=plan,
        with_objects=with_objects,
    )
