"""Hold the steps of a roll-out, which deploy and rollback put in order; each prints its line."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property

from docker.errors import DockerException, ImageNotFound
from requests import RequestException

from slipway import (
    build,
    history,
    load,
    oneoff,
    probe,
    prune,
    release,
    rollout,
    shipping,
    stackfile,
    swarm,
)
from slipway.command import Command, Shell
from slipway.console import Console, size
from slipway.engine import Engine
from slipway.environment import Environment
from slipway.errors import DeployError, SlipwayError
from slipway.lease import Lease, lease, who
from slipway.masking import masker
from slipway.oneoff import OneOff
from slipway.parallel import each
from slipway.release import Migration, Release, Revision
from slipway.settings.hosts import Host

Fields = dict[str, object]
# Lines shown of a list; --json has all.
SHOWN = 5
MAX_PARALLEL = 4
# The first engine that asks for health more often while a task starts.
QUICK_ENGINE = 25
CLIENT_VERSION = Command.of("docker", "version", "--format", "{{.Client.Version}}")
PLAN = ("python", "manage.py", "release", "--plan")
PLAN_SECONDS = 120


@dataclass
class Deployment:
    """Hold what the steps of one run share."""

    environment: Environment
    console: Console
    shell: Shell
    here: Engine
    hosts: list[tuple[Host, Engine]]
    stack_file: str
    # Read once: the secret's name is the hash of the very bytes that it holds.
    env: bytes = field(repr=False)
    begin: float
    held: Lease | None = None

    @property
    def manager(self) -> Engine:
        """Return the engine of the host that leads the Swarm."""
        return self.hosts[0][1]

    @property
    def managers(self) -> list[Engine]:
        """Return the engines through which the Swarm can be led, the first host's first."""
        rest = [engine for host, engine in self.hosts[1:] if host.manager]
        return [self.manager, *rest]

    def check(self) -> None:
        """Raise DeployError where somebody else has taken the lease."""
        if self.held:
            self.held.check()

    def glance(self) -> None:
        """Do the same, once a second at most."""
        if self.held:
            self.held.glance()

    def lost(self) -> bool:
        """Return whether somebody else is known to have taken the lease."""
        return bool(self.held and self.held.lost)

    def build(self) -> Release:
        """Build the image and name the release."""
        root = self.environment.root
        with self.console.step("Build the image") as notes:
            revision = build.revision(self.shell, root, build.CONTEXT)
            there, here = (one.client.info()["Architecture"] for one in (self.manager, self.here))
            options = [*build.label(revision), *build.platform(here, there)]
            image_id = build.build(self.shell, self.console, self.here, root, options)
            image = self.here.client.images.get(image_id)
            notes += [str(revision), size(image.attrs["Size"])]
        return self._release(revision, image_id)

    def running(self, wanted: Release) -> Release | None:
        """Return the release that runs, if it is the same in all but its name."""
        labels = rollout.running(self.manager, self.environment.stack)
        if not labels or labels.get(release.FINGERPRINT_LABEL) != wanted.fingerprint:
            return None
        present = replace(wanted, name=labels[release.NAME_LABEL])
        records = history.read(self.manager, self.environment.stack)
        if present.name not in [one.release for one in records if one.good][:1]:
            # Whoever rolled it out was killed before it was asked for through any proxy.
            return None
        if not all(_has(host, present.image) for _, host in self.hosts):
            # A host that has just joined could not take over a task.
            return None
        if not self._migrated():
            return None
        self.console.say(f"nothing to do: {self.environment.site.url} runs {present.name} already")
        return present

    @contextmanager
    def alone(self, reason: str = "deploys") -> Iterator[None]:
        """Keep other runs out, and clear away what a killed one has left."""
        with lease(self.manager, self.environment.stack, reason) as self.held:
            oneoff.clear(self.manager, self.environment.stack)
            yield

    @contextmanager
    def recorded(self, wanted: Release, action: str, sent: list[int]) -> Iterator[None]:
        """Write down on the hosts how this ends; `sent` holds the bytes shipped so far."""
        outcome = history.SERVES
        try:
            yield
        except BaseException as error:
            outcome = " ".join(str(error).split()) or "stopped"
            raise
        finally:
            if not self.lost():
                self._record(wanted, action, outcome, sum(sent))

    @contextmanager
    def put_back_on_failure(self) -> Iterator[None]:
        """Give the whole stack its present release back if the context fails."""
        stack = self.environment.stack
        with rollout.put_back_on_failure(self.managers, stack, self.console, self.lost):
            yield

    def ship(self, wanted: Release) -> int:
        """Bring the image to all hosts and return the bytes sent to them."""
        self.here.client.api.tag(wanted.image_id, wanted.project, wanted.name)
        with self.console.step("Ship what the hosts lack of it") as notes:
            if place := self.environment.registry.address:
                sent = shipping.ship_through(self.here, self.hosts, wanted.image, place)
            else:
                sent = shipping.ship(self.shell, self.console, self.hosts, wanted.image)
            notes.append(size(sent))
        return sent

    def hand_over(self, wanted: Release) -> None:
        """Give the env file to the Swarm as a secret."""
        self.check()
        with self.console.step("Hand over the env file") as notes:
            labels = {prune.ENV_LABEL: self.environment.stack}
            new = swarm.hand_over(self.manager, wanted.secret, self.env, labels)
            notes.append("changed" if new else "unchanged")

    def prepare(self, wanted: Release) -> list[str]:
        """Run the release phase once, in the new image, and return the migrations applied."""
        self.check()
        phase = self.environment.release
        with self.console.step("Check the release and migrate the database") as notes:
            task = self._one_off(wanted)
            said = task.run(oneoff.RELEASE, self.stack_file, phase.words(), phase.timeout)
            applied = release.applied(said)
            notes.append(f"{len(applied)} applied")
        self.show(release.pending(said))
        hidden = masker(self.environment)
        for line in release.remarks(said):
            self.console.say(hidden(line))
        return applied

    def pending(self, wanted: Release) -> list[Migration]:
        """Ask the release which migrations are to come."""
        with self.console.step("Compare migrations"):
            said = self._one_off(wanted).run("plan", self.stack_file, [*PLAN], PLAN_SECONDS)
        return release.pending(said)

    def unknown(self, wanted: Release) -> list[str]:
        """Ask the release which of the database's migrations it does not know."""
        words = ["python", "manage.py", "release", "--unknown"]
        with self.console.step("Compare migrations"):
            said = self._one_off(wanted).run("plan", self.stack_file, words, PLAN_SECONDS)
        return release.unknown(said)

    def show(self, migrations: list[Migration]) -> None:
        """Name migrations, and warn of those that the running code cannot live with."""
        for one in [one for one in migrations if not one.unsafe][:SHOWN]:
            self.console.say(f"  {one.line()}")
        if (more := sum(not one.unsafe for one in migrations) - SHOWN) > 0:
            self.console.say(f"  and {more} more")
        for one in migrations:
            if one.unsafe:
                self.console.warn(f"the running code cannot live with {one.line()}")

    def try_out(self, wanted: Release) -> None:
        """Let a task of the new release become healthy without traffic."""
        self.check()
        with self.console.step("Try the release without traffic"):
            self._one_off(wanted).try_out(self._file())

    def roll_out(self, wanted: Release) -> None:
        """Replace the tasks, new ones first."""
        self.check()
        with self.console.step(f"Roll out {wanted.name}") as notes:
            stack, variables = self.environment.stack, self.variables(wanted)
            count = rollout.roll_out(
                self.shell, self.manager, stack, self._file(), variables, self.glance
            )
            notes.append(f"{count} healthy")

    def verify(self) -> None:
        """Ask for the site's health through the proxy of each host, until Swarm is content too."""
        told = time.monotonic()
        with self.console.step("Ask through the proxy of each host"):
            warnings = each(lambda pair: probe.check(self.environment, pair[0]), self.hosts)
            rollout.settle(self.manager, self.environment.stack, self.glance, told)
        self.check()
        for warning in filter(None, warnings):
            self.console.warn(warning)

    def outlast(self) -> None:
        """Wait until the release before has nothing under way any more."""
        with self.console.step("Wait for what the tasks before have under way"):
            rollout.outlast(self.manager, self.environment.stack, self.glance)

    def prune(self) -> None:
        """Remove what old releases have left; failing to is no reason to fail."""
        project, stack = self.environment.project, self.environment.stack
        try:
            kept = history.kept(history.read(self.manager, stack), prune.KEEP)
            used = prune.in_use(self.manager, project)
            for one in (self.here, *(host for _, host in self.hosts)):
                prune.images(one, project, used)
            prune.secrets(self.manager, stack, frozenset(one.secret for one in kept))
        except (SlipwayError, DockerException, RequestException) as error:
            self.console.warn(f"old releases are still there: {error}")

    @contextmanager
    def probed(self, wanted: bool) -> Iterator[load.Load | None]:
        """Send requests through the proxies while the context is open, if `wanted`."""
        with load.running(self.environment) if wanted else nullcontext() as sender:
            yield sender
        if sender:
            self.console.say(f"{sender.sent} requests during the roll-out, {sender.failed} failed")

    def report(
        self,
        shown: Release,
        *,
        changed: bool,
        bytes_shipped: int = 0,
        migrations: list[str] | None = None,
        sender: load.Load | None = None,
    ) -> Fields:
        """Print and return what `--json` says."""
        fields: Fields = {
            "release": shown.name,
            "image": shown.image,
            "changed": changed,
            "bytes_shipped": bytes_shipped,
            "migrations": migrations or [],
            "hosts": [host.name for host, _ in self.hosts],
            "seconds": round(time.monotonic() - self.begin, 2),
        }
        if sender:
            fields |= {"requests": sender.sent, "failed_requests": sender.failed}
        if changed:
            self.console.say(f"{self.environment.site.url} runs {shown.name}")
        self.console.result(fields)
        return fields

    def _migrated(self) -> bool:
        """Ask what serves whether its database, which may be another one by now, lacks nothing."""
        engines = [engine for _, engine in self.hosts]
        with self.console.step("Compare migrations") as notes:
            words = ("timeout", str(PLAN_SECONDS), *PLAN)
            said = swarm.ask(engines, f"{self.environment.stack}_web", words)
            try:
                lacking = len(release.pending(said or ""))
            except DeployError:
                # It is rolled out again, which says why.
                notes.append("no task could be asked")
                return False
            notes.append(f"{lacking} to apply")
        return lacking == 0

    def _release(self, revision: Revision, image_id: str) -> Release:
        secret = release.secret_name(self.environment.stack, self.env)
        replicas = self.environment.web.replicas
        return Release(
            project=self.environment.project,
            name=release.name(revision, time.time()),
            revision=str(revision),
            image_id=image_id,
            secret=secret,
            fingerprint=release.fingerprint(image_id, secret, self.stack_file, replicas),
        )

    def variables(self, wanted: Release) -> dict[str, str]:
        """Return what the stack file leaves open."""
        replicas = self.environment.web.replicas
        return {
            "STACK": self.environment.stack,
            "REPLICAS": str(replicas),
            "PARALLEL": str(max(MAX_PARALLEL, replicas // 2)),
            "IMAGE": wanted.image,
            "ENV_SECRET": wanted.secret,
            "RELEASE": wanted.name,
            "REVISION": wanted.revision,
            "FINGERPRINT": wanted.fingerprint,
            "DEPLOYED_BY": who(),
        }

    def missing(self, image: str) -> list[str]:
        """Name the hosts that do not have an image."""
        return [host.name for host, engine in self.hosts if not _has(engine, image)]

    def has_secret(self, name: str) -> bool:
        """Return whether the Swarm still has an env file."""
        return any(one["Spec"]["Name"] == name for one in swarm.secrets(self.manager, name=[name]))

    @cached_property
    def quick(self) -> bool:
        """Return whether all engines can ask for health more often while a task starts."""
        versions = [engine.client.version() for _, engine in self.hosts]
        client = self.shell.run(CLIENT_VERSION, check=False).stdout
        found = [client, *(str(version.get("Version", "")) for version in versions)]
        return min(map(_major, found)) >= QUICK_ENGINE

    def _file(self) -> str:
        return stackfile.quick_start(self.stack_file) if self.quick else self.stack_file

    def _one_off(self, wanted: Release) -> OneOff:
        engines = [host for _, host in self.hosts]
        subject, variables = self.environment, self.variables(wanted)
        return OneOff(self.shell, self.console, engines, subject, variables, self.glance)

    def _record(self, wanted: Release, action: str, outcome: str, sent: int) -> None:
        record = history.Record(
            release=wanted.name,
            image=wanted.image,
            secret=wanted.secret,
            revision=wanted.revision,
            who=who(),
            when=history.now(),
            action=action,
            outcome=outcome,
            seconds=round(time.monotonic() - self.begin, 1),
            bytes_shipped=sent,
            stack_file=self.stack_file,
            variables=self.variables(wanted),
        )
        for manager in self.managers:
            try:
                history.write(manager, self.environment.stack, record)
            except (DockerException, RequestException) as error:
                failure = error
            else:
                return
        self.console.warn(f"{manager.name}: did not take down this release: {failure}")


def _has(host: Engine, image: str) -> bool:
    try:
        host.client.images.get(image)
    except ImageNotFound:
        return False
    return True


def _major(version: str) -> int:
    number = version.strip().partition(".")[0]
    return int(number) if number.isdigit() else 0
