"""Bring back what the last push overwrote or deleted, where the bucket keeps versions."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from slipway import dsn, variables
from slipway.console import Console, seconds, size
from slipway.environment import Environment
from slipway.errors import OK, PartialTransfer, StorageError
from slipway.media import pushed_to
from slipway.objects.bucket import ObjectError
from slipway.objects.keys import readable
from slipway.objects.s3_versions import Version, Versions
from slipway.sync.pushed import Noted, Pushed

AT_ONCE = 16
MOST_NEW = 10_000  # objects that hardly anybody wrote before; a first push has millions
SHOWN = 50
NOTHING, GONE = "has no earlier version", "has no versions"
KEEP = "set storage.versioning = true for the next time, if the storage knows versions"


class Step(NamedTuple):
    """Hold an object and the version to bring back, or why there is none."""

    name: str
    version: Version | None
    reason: str = ""


def undo_media(
    environment: Environment, console: Console, *, versions: Versions | None = None
) -> int:
    """Bring back the versions before the last push from this machine, after a question.

    What somebody else wrote since stays. Returns the exit code. Raises StorageError where the
    storage keeps no versions, Declined, or PartialTransfer.
    """
    begin = time.monotonic()
    versions = versions or _versions(environment)
    pushed = pushed_to(environment)
    console.title(f"Undo the last push of media to {environment.name}")
    if not versions.kept():
        raise _kept_nothing(environment, KEEP)
    steps = _steps(versions, pushed, console)
    todo = [step for step in steps if step.version]
    reasons = {step.reason for step in steps}
    if not environment.storage.versioning and reasons and reasons <= {NOTHING, GONE}:
        # A key that may not ask whether versions are kept learns it from each object.
        raise _kept_nothing(environment, KEEP)
    _show(console, steps)
    failed: list[tuple[str, str]] = []
    if todo:
        console.confirm(f"Bring back {len(todo)} objects?", type_name=environment.typed_name)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            failed = [one for one in pool.map(lambda it: _restore(versions, it), todo) if one]
    if not failed and not pushed.refused():
        pushed.forget()
    return _report(console, len(todo), len(steps) - len(todo), failed, time.monotonic() - begin)


def _steps(versions: Versions, pushed: Pushed, console: Console) -> list[Step]:
    """Look at each object that was pushed; new ones that replaced nothing are no step."""
    if reason := pushed.refused():
        console.warn(f"the note of the last push {reason}; it is left alone")
    noted = pushed.objects()
    new = {name for name, one in noted.items() if not one.was_there}
    if len(new) > MOST_NEW:
        console.warn(f"{len(new)} objects that were new are not looked at")
        noted = {name: one for name, one in noted.items() if one.was_there}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        steps = pool.map(lambda item: look(versions, *item), sorted(noted.items()))
        return [step for step in steps if step.version or step.name not in new]


def look(versions: Versions, name: str, noted: Noted) -> Step:
    """Decide what is to be done with one object, by what the push noted of it."""
    found = versions.of(name)
    if not found:
        return Step(name, None, GONE)
    if not _is_ours(found, noted):
        return Step(name, None, "is not as the last push left it, and stays")
    before = (one for one in found if not _wrote(one, noted))
    earlier = next(before, None)
    if earlier is None or earlier.deleted:
        return Step(name, None, NOTHING)
    return Step(name, earlier)


def _is_ours(found: list[Version], noted: Noted) -> bool:
    """Tell whether the newest of an object's versions is what the push left."""
    if not _wrote(found[0], noted):
        return False
    if not found[0].deleted or not noted.deleted:
        return True
    return noted.deleted == next((one.etag for one in found if not one.deleted), "")


def _wrote(version: Version, noted: Noted) -> bool:
    return noted.deleted is not None if version.deleted else version.etag in noted.sent


def _versions(environment: Environment) -> Versions:
    address = variables.storage(environment)
    if isinstance(address, dsn.S3Dsn):
        return Versions(address)
    if isinstance(address, dsn.AzDsn):
        raise _kept_nothing(environment, "blobs that Azure keeps after deletion: its portal")
    raise _kept_nothing(environment, "restore a backup of the host's disk")


def _kept_nothing(environment: Environment, hint: str) -> StorageError:
    where = f"the media of {environment.name}"
    return StorageError(where, "the storage keeps no earlier versions that could come back", hint)


def _restore(versions: Versions, step: Step) -> tuple[str, str] | None:
    assert step.version
    try:
        versions.restore(step.name, step.version)
    except ObjectError as error:
        return step.name, error.what
    return None


def _show(console: Console, steps: Iterable[Step]) -> None:
    listed = list(steps)
    for name, version, reason in listed[:SHOWN]:
        if version:
            console.say(f"~ {readable(name)}: {version.stored}, {size(version.size)}")
        else:
            console.say(f"  {readable(name)}: {reason}")
    if len(listed) > SHOWN:
        console.say(f"… and {len(listed) - SHOWN} more")


def _report(
    console: Console, wanted: int, skipped: int, failed: list[tuple[str, str]], elapsed: float
) -> int:
    for name, reason in failed:
        console.warn(f"{readable(name)}: {reason}")
    done = wanted - len(failed)
    console.say(f"{done} objects brought back, {skipped} left as they are, {seconds(elapsed)}")
    fields = {"restored": done, "skipped": skipped, "failed": len(failed)}
    if not failed:
        console.result({**fields, "seconds": round(elapsed, 3)})
        return OK
    error = PartialTransfer("undo-media", f"{len(failed)} objects were not brought back",
                            "see above, then run it again")  # fmt: skip
    if not console.as_json:
        raise error
    said = {"error": str(error), "exit_code": error.exit_code}
    console.result({**fields, "seconds": round(elapsed, 3), **said})
    return error.exit_code
