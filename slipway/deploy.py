"""Build the app's image, ship it, migrate, and roll it out without a gap."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from slipway import engine
from slipway.command import Shell
from slipway.console import Console
from slipway.deployment import Deployment, Fields
from slipway.environment import Environment
from slipway.errors import CHANGES, OK
from slipway.interrupt import cleans_up
from slipway.parallel import together
from slipway.preflight import check_files, check_swarm
from slipway.release import Release


def deploy(
    environment: Environment,
    console: Console,
    shell: Shell | None = None,
    *,
    plan: bool = False,
    probe: bool = False,
) -> int:
    """Bring the code as it is now to the environment's hosts, or with `plan` say what that means.

    Whatever fails or interrupts it, the release that ran before goes on serving on all hosts.
    With `probe` requests are sent meanwhile, and the failed ones counted. Returns the exit code.
    Raises SlipwayError, DeployError where the new release is at fault.
    """
    console.title(f"Deploy {environment.project} to {environment.name}")
    with cleans_up(), opened(environment, console, shell or Shell()) as run:
        wanted = run.build()
        if present := run.running(wanted):
            run.report(present, changed=False)
            return OK
        with run.alone("plans" if plan else "deploys"):
            if plan:
                return _plan(run, wanted)
            _deploy(run, wanted, probe=probe)
    return OK


def _deploy(run: Deployment, wanted: Release, *, probe: bool) -> Fields:
    sent: list[int] = []
    with run.recorded(wanted, "deploy", sent), run.probed(probe) as sender:
        sent.append(run.ship(wanted))
        run.hand_over(wanted)
        migrations = run.prepare(wanted)
        run.try_out(wanted)
        with run.put_back_on_failure():
            run.roll_out(wanted)
            run.verify()
    run.prune()
    shipped = sum(sent)
    return run.report(
        wanted, changed=True, bytes_shipped=shipped, migrations=migrations, sender=sender
    )


def _plan(run: Deployment, wanted: Release) -> int:
    """Say what a deploy would do; the image is shipped, for the release itself is asked."""
    run.ship(wanted)
    run.hand_over(wanted)
    migrations = run.pending(wanted)
    run.console.say(f"{len(migrations)} migrations to apply")
    run.show(migrations)
    run.console.say(f"~ {run.environment.stack}: {wanted.name} replaces what runs")
    run.console.result(
        {
            "release": wanted.name,
            "changes": True,
            "migrations": [{"name": one.name, "unsafe": one.unsafe} for one in migrations],
        }
    )
    return CHANGES


@contextmanager
def opened(environment: Environment, console: Console, shell: Shell) -> Iterator[Deployment]:
    """Check all that can be checked without an impact, and hold the engines open."""
    with ExitStack() as stack:
        begin = time.monotonic()
        with console.step("Check env file, stack file, engines and hosts") as notes:
            text = check_files(environment)
            env = environment.env_file.read_bytes()
            here = stack.enter_context(engine.local())
            contexts = [engine.on_host(shell, host) for host in environment.hosts]
            engines = stack.enter_context(together(contexts))
            stack.enter_context(engine.refusals(engines[0]))
            check_swarm(environment, engines[0])
            notes.append(", ".join(host.name for host in environment.hosts))
        hosts = list(zip(environment.hosts, engines, strict=True))
        yield Deployment(environment, console, shell, here, hosts, text, env, begin)
