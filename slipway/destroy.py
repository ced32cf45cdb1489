"""Take an environment away: site, database, storage, keys, files; nothing of others."""

import time
from dataclasses import dataclass

from slipway import ssh, storage
from slipway.command import Shell
from slipway.console import Console, seconds
from slipway.environment import Environment
from slipway.errors import CHANGES, OK, SlipwayError, StorageError
from slipway.parallel import each
from slipway.plan import Change, Plan
from slipway.settings.hosts import Host
from slipway.storage.base import Step

# $0 is the stack. What may be gone already is no error; what stays is.
ON_MANAGER = r"""
docker stack rm "$0" "$0-services" >/dev/null 2>&1
running() {
  docker ps --quiet --filter "label=com.docker.stack.namespace=$0"
  docker ps --quiet --filter "label=com.docker.stack.namespace=$0-services"
}
i=0
while running | grep -q . && [ $i -lt 90 ]; do i=$((i+1)); sleep 1; done
for kind in secret config; do
  docker $kind ls --format '{{.Name}}' |
    grep -E "^$0-((env|record)-[0-9a-f-]+|services-superuser|lease)$" |
    xargs -r -n 1 docker $kind rm >/dev/null
done
# A name of theirs may be cut; the label is not.
docker config ls --quiet --filter "label=slipway.record-of=$0" |
  xargs -r docker config rm >/dev/null
i=0
while docker network inspect "$0" >/dev/null 2>&1 && [ $i -lt 60 ]; do
  docker network rm "$0" >/dev/null 2>&1 || sleep 1; i=$((i+1))
done
! docker network inspect "$0" >/dev/null 2>&1
"""
# $0 is the stack, $1 the project, whose images go with its last environment on the host.
ON_HOST = r"""
own="^$0(_|-services[-_])"
for volume in $(docker volume ls --quiet | grep -E "$own"); do
  i=0
  until docker volume rm "$volume" >/dev/null 2>&1 || [ $i -gt 60 ]; do i=$((i+1)); sleep 1; done
done
rm -rf "/srv/slipway/$0" "/etc/slipway/proxy/sites/$0.caddy" "/etc/slipway/proxy/sites/$0.pem" \
  "/etc/slipway/proxy/loaded/$0.caddy" "/etc/slipway/proxy/maintenance/$0" \
  "/etc/slipway/proxy/maintenance/$0".pass-*
if ! ls -d "/srv/slipway/$1"-* >/dev/null 2>&1; then
  docker images --format '{{.Repository}}:{{.Tag}}' "$1" | xargs -r docker rmi >/dev/null 2>&1
fi
for proxy in $(docker ps --quiet --filter label=com.docker.swarm.service.name=slipway_proxy); do
  docker exec "$proxy" caddy reload --config /etc/caddy/Caddyfile >/dev/null 2>&1
done
[ ! -e "/srv/slipway/$0" ] && ! docker volume ls --quiet | grep -qE "$own"
"""


@dataclass(frozen=True, slots=True)
class Doomed:
    """Hold what there is of an environment."""

    steps: list[Step]
    objects: int
    plan: Plan


def destroy(
    environment: Environment,
    console: Console,
    *,
    plan_only: bool = False,
    with_objects: bool = False,
) -> int:
    """Show what would go, ask for the environment's name, and take it away.

    A storage that holds objects is refused unless `with_objects` says so. Hosts, engine, proxy
    and what others have on them stay. Returns the exit code: 0, or with `plan_only` 2 where
    there is something. Raises SlipwayError.
    """
    begin = time.monotonic()
    console.title(f"Destroy {environment.name}: {environment.site.url}")
    found = _look(environment, console)
    for change in found.plan.changes:
        console.say(change.line())
    if not plan_only:
        _refuse(environment, found, with_objects)
        if found.plan:
            console.confirm(f"Destroy {environment.name} for ever?", type_name=environment.name)
        _destroy(environment, found, console)
        console.say(f"{environment.name} is gone, {seconds(time.monotonic() - begin)}")
    console.result(
        {
            "environment": environment.name,
            "changes": found.plan.as_json(),
            "applied": not plan_only,
            "seconds": round(time.monotonic() - begin, 3),
        }
    )
    return (CHANGES if found.plan else OK) if plan_only else OK


def _look(environment: Environment, console: Console) -> Doomed:
    provider = storage.provider(environment)
    with console.step("storage read") as notes:
        steps = provider.removal()
        objects = provider.holds() if steps else 0
        notes.append(f"{objects}{'+' if objects >= 1000 else ''} objects")
    changes = [step.change for step in steps]
    with console.step("hosts read"):
        there = each(lambda host: _is_there(host, environment.stack), environment.hosts)
    for host, found in zip(environment.hosts, there, strict=True):
        if found:
            detail = "site, database, files" if host == environment.manager else "files"
            changes.append(Change("hosts", "delete", f"{environment.stack} on {host.name}", detail))
    if environment.env_file.is_file():
        name = f"env/{environment.env_file.name}"
        changes.append(Change("env", "delete", name, "with every secret in it"))
    return Doomed(steps, objects, Plan(tuple(changes)))


def _is_there(host: Host, stack: str) -> bool:
    look = ("test", "-e", f"/srv/slipway/{stack}")
    return ssh.run(Shell(), host, *look, check=False).code == 0


def _refuse(environment: Environment, found: Doomed, with_objects: bool) -> None:
    if found.objects and not with_objects:
        count = f"{found.objects}{' or more' if found.objects >= 1000 else ''}"
        raise StorageError(
            f"storage of {environment.name}", f"holds {count} objects, old versions included",
            "fetch them with 'invoke pull-media', then add --with-objects",
        )  # fmt: skip


def _destroy(environment: Environment, found: Doomed, console: Console) -> None:
    """Site first, so that nothing is written any more; the env file last, for another try."""
    if found.plan.of_part("hosts"):
        with console.step(f"{environment.stack} taken off the hosts"):
            _run(environment.manager, ON_MANAGER, environment.stack)
            arguments = (ON_HOST, environment.stack, environment.project)
            each(lambda host: _run(host, *arguments), environment.hosts)
    for step in found.steps:
        with console.step(f"{step.change.resource} deleted"):
            step.act()
    environment.env_file.unlink(missing_ok=True)
    forget(environment)


def forget(environment: Environment) -> None:
    """Remove what this machine remembers of an environment: its key's note, and its media's."""
    state, name = environment.root / ".state", environment.name
    for left in [state / f"{name}-key.json", *state.glob(f"media-{name}.*")]:
        left.unlink(missing_ok=True)


def _run(host: Host, script: str, *arguments: str) -> None:
    sudo = () if host.user == "root" else ("sudo", "-n")
    result = ssh.run(Shell(), host, *sudo, "sh", "-c", script, *arguments, check=False)
    if result.code != 0:
        what = f"something of {arguments[0]} stays: {result.last_words}"
        raise SlipwayError(host.name, what, "run it again; see 'docker stack ls' there")
