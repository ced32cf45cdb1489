"""Replace the key of the site's storage: the old one goes only once the new one serves."""

import time
from dataclasses import replace

from slipway import deploy, envfile, history, rollout, storage, variables
from slipway import release as names
from slipway.command import Shell
from slipway.console import Console, seconds
from slipway.deployment import Deployment
from slipway.engine import Engine
from slipway.environment import Environment, read_variables
from slipway.errors import ConfigurationError, DeployError, StorageError
from slipway.interrupt import cleans_up
from slipway.release import FINGERPRINT_LABEL, NAME_LABEL, Release
from slipway.storage.base import Provider

AGAIN = "run it again: it goes on from here"


def rotate_keys(environment: Environment, console: Console) -> None:
    """Make a new key, write the env file, hand it to the running release, delete the old key.

    Killed anywhere, the site serves on, and the next run completes. Raises SlipwayError.
    """
    begin = time.monotonic()
    console.title(f"Rotate the key of {environment.name}: {environment.site.url}")
    provider = _checked(environment, console)
    _warn_of_more(environment, console)
    question = f"Replace the key of {environment.name} and roll its tasks?"
    console.confirm(question, type_name=environment.typed_name)
    with cleans_up():
        if not _renewed(environment, provider, console):
            console.result({"rotated": False, "release": "", "seconds": 0.0})
            return
        with console.step("new key proven: written, read, refusals tried"):
            provider.prove()
        serving = _redeployed(_again(environment), console)
        with console.step("old key deleted"):
            provider.retire()
    elapsed = time.monotonic() - begin
    console.say(f"{environment.name} uses a new key, {seconds(elapsed)}")
    console.result({"rotated": True, "release": serving, "seconds": round(elapsed, 3)})


def _checked(environment: Environment, console: Console) -> Provider:
    variables.storage(environment)
    provider = storage.provider(environment)
    with console.step("storage read"):
        wrong = [step.change for step in provider.steps() if not step.change.resource.count("key ")]
    if wrong:
        what = f"the storage is not as it should be: {wrong[0].line()}"
        raise StorageError(environment.name, what, f"run 'invoke provision -e {environment.name}'")
    return provider


def _warn_of_more(environment: Environment, console: Console) -> None:
    """Tell of changes to the env file that would go out with the key."""
    with deploy.opened(environment, console, Shell()) as run:
        if differs(run.manager, environment.stack, run.env):
            name = f"env/{environment.env_file.name}"
            console.warn(f"{name} is not the one that is deployed: all of it goes out")


def differs(engine: Engine, stack: str, env: bytes) -> bool:
    """Tell whether an env file is another one than that of the release that serves."""
    served = next((one.secret for one in history.read(engine, stack) if one.good), "")
    return bool(served) and served != names.secret_name(stack, env)


def _renewed(environment: Environment, provider: Provider, console: Console) -> bool:
    before = provider.dsn()
    with console.step("new key made") as notes:
        if not provider.renew():
            console.say("this storage has no key of the site's own to replace")
            return False
        made = provider.dsn()
        if made is None or made == before:
            notes.append("by an earlier run")
            return True
    try:
        values = variables.values(environment, made)
        text = envfile.render(environment.root, values, environment.variables)
        envfile.refuse_changed(environment.env_file, environment.variables)
        present = environment.env_file.read_text(encoding="utf-8")
        envfile.write(environment.env_file, envfile.merged(present, text))
    except BaseException:
        kept = read_variables(environment.env_file).get(variables.STORAGE)
        if kept != made.render():
            provider.withdraw()
        raise
    return True


def _again(environment: Environment) -> Environment:
    """Return the environment as the env file has it now."""
    return replace(environment, variables=read_variables(environment.env_file))


def _redeployed(environment: Environment, console: Console) -> str:
    """Roll the running release out once more with the env file as it is now; return its name."""
    with deploy.opened(environment, console, Shell()) as run, run.alone("rotates the key"):
        name = serving(run.manager, environment.stack)
        if not name:
            console.say("nothing is deployed yet")
            return ""
        wanted = _release(run, name)
        with run.recorded(wanted, history.ROTATE, []):
            run.hand_over(wanted)
            run.try_out(wanted)
            with run.put_back_on_failure():
                run.roll_out(wanted)
                run.verify()
            # An upload that is under way has the old key.
            run.outlast()
        return name


def serving(engine: Engine, stack: str) -> str:
    """Return the name of the release that serves, or nothing where no task could have a key.

    Raises DeployError where a release does not run whole: what its tasks have is not known then.
    """
    if rollout.specified(engine, stack) is None:
        return ""
    labels = rollout.running(engine, stack) or {}
    if not labels.get(FINGERPRINT_LABEL):
        hint = f"the old key stays; see 'invoke status', and {AGAIN}"
        raise DeployError(stack, "does not run whole and undisturbed", hint)
    return str(labels[NAME_LABEL])


def _release(run: Deployment, name: str) -> Release:
    """Return the running release with the present env file; its stack file is the run's from now.

    Raises ConfigurationError where the hosts do not know how it was rolled out.
    """
    stack = run.environment.stack
    found = [one for one in history.read(run.manager, stack) if one.release == name and one.good]
    if not found:
        what = "is not in the records of the hosts"
        raise ConfigurationError(f"release {name}", what, f"run 'invoke deploy', then {AGAIN}")
    run.stack_file = found[0].stack_file
    secret = names.secret_name(stack, run.env)
    image = str(run.manager.client.images.get(found[0].image).id)
    replicas = run.environment.web.replicas
    return Release(
        project=run.environment.project,
        name=name,
        revision=found[0].revision,
        image_id=image,
        secret=secret,
        fingerprint=names.fingerprint(image, secret, run.stack_file, replicas),
    )
