"""Remove what earlier releases have left: images and env files beyond the newest few."""

from contextlib import ExitStack

from docker.errors import APIError

from slipway import engine as engines
from slipway import history, release, swarm
from slipway.command import Shell
from slipway.console import Console, size
from slipway.engine import Engine
from slipway.environment import Environment
from slipway.parallel import together

KEEP = 5
ENV_LABEL = "slipway.env-of"


def prune(environment: Environment, console: Console, shell: Shell | None = None) -> None:
    """Keep the newest 5 releases on each host and here, and whatever still runs; remove the rest.

    Raises HostError, SlipwayError.
    """
    runs, stack, project = shell or Shell(), environment.stack, environment.project
    console.title(f"Prune {stack}: keep {KEEP} releases")
    with ExitStack() as opened:
        here = opened.enter_context(engines.local())
        contexts = [engines.on_host(runs, host) for host in environment.hosts]
        hosts = opened.enter_context(together(contexts))
        for one in (here, *hosts):
            opened.enter_context(engines.refusals(one))
        used = in_use(hosts[0], project)
        removed, freed = {}, 0
        for name, one in (("here", here), *((host.name, host) for host in hosts)):
            with console.step(f"Images {name if one is here else f'on {name}'}") as notes:
                before = _bytes(one)
                removed[name] = images(one, project, used)
                freed += before - _bytes(one)
                notes.append(f"{removed[name]} removed")
        with console.step("Env files in the Swarm") as notes:
            kept = history.kept(history.read(hosts[0], stack), KEEP)
            gone = secrets(hosts[0], stack, frozenset(one.secret for one in kept))
            notes.append(f"{gone} removed")
    console.say(f"{size(max(0, freed))} freed")
    console.result({"images": removed, "secrets": gone, "bytes_freed": max(0, freed)})


def images(engine: Engine, project: str, in_use: set[str]) -> int:
    """Remove old releases' images from an engine and return how many."""
    tags = [
        tag.partition(":")[2]
        for image in engine.client.api.images(project)
        for tag in image["RepoTags"] or []
    ]
    old = release.surplus(tags, in_use, KEEP)
    return sum(_remove(engine, f"{project}:{name}") for name in old)


def in_use(engine: Engine, project: str) -> set[str]:
    """Name the releases of a project that any service of the Swarm runs, or may go back to."""
    found = history.releases_kept(engine, project, KEEP)
    for service in swarm.call(engine, "GET", "/services"):
        for spec in (service["Spec"], service.get("PreviousSpec") or {}):
            image = spec.get("TaskTemplate", {}).get("ContainerSpec", {}).get("Image", "")
            name, _, tag = image.partition(":")
            if name == project:
                found.add(tag)
    return found


def secrets(engine: Engine, stack: str, kept: frozenset[str] = frozenset()) -> int:
    """Remove old env files of a stack from the Swarm, but none of `kept`; return how many."""
    found = swarm.secrets(engine, label=[f"{ENV_LABEL}={stack}"])
    found.sort(key=lambda secret: str(secret["CreatedAt"]), reverse=True)
    used = {name for one in swarm.services(engine, stack).values() for name in _secrets(one)}
    used |= kept
    old = [secret for secret in found[KEEP:] if secret["Spec"]["Name"] not in used]
    for secret in old:
        swarm.call(engine, "DELETE", f"/secrets/{secret['ID']}")
    return len(old)


def _bytes(engine: Engine) -> int:
    """Return how many bytes the layers of all images take up."""
    return int(swarm.call(engine, "GET", "/system/df")["LayersSize"] or 0)


def _secrets(service: swarm.Json) -> list[str]:
    spec = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    return [secret["SecretName"] for secret in spec.get("Secrets") or []]


def _remove(engine: Engine, image: str) -> int:
    try:
        engine.client.api.remove_image(image)
    except APIError:
        # A stopped container still holds it: the next deploy tries again.
        return 0
    return 1
