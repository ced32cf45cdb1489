"""Push local media to the object storage of an environment."""

import time
from pathlib import Path

from slipway import dsn, variables
from slipway.console import Console, seconds, size
from slipway.environment import Environment
from slipway.errors import OK, ConfigurationError, PartialTransfer, SlipwayError
from slipway.objects.bucket import Bucket
from slipway.objects.keys import readable
from slipway.objects.reach import bucket_of
from slipway.sync.memory import remembered
from slipway.sync.push import Outcome, Push, files
from slipway.sync.pushed import Pushed

FOLDER = "data/media"


def push_media(
    environment: Environment,
    console: Console,
    *,
    checksum: bool = False,
    delete: bool = False,
    delete_most: bool = False,
    bucket: Bucket | None = None,
) -> int:
    """Send what is missing or changed in data/media, and print the result.

    `checksum` reads every file instead of trusting what an earlier run learnt. `delete`
    removes objects that have no file, after a question, last; where that is more than half
    of them only with `delete_most`. Returns the exit code. Raises ConfigurationError,
    StorageError, Declined, or, after everything else was sent, PartialTransfer.
    """
    begin = time.monotonic()
    folder = _folder(environment)
    bucket = bucket or bucket_of(environment)
    outcome = Outcome()
    console.title(f"Push media to {environment.name}: {bucket.label}")
    with remembered(environment.root / ".state", environment.name, console.warn) as memory:
        push = Push(folder, bucket, memory, console, outcome, environment.media)
        push.compare(checksum=checksum)
        if delete:
            push.ask_to_delete(
                environment.typed_name, most=delete_most, kept=environment.storage.versioning
            )
        pushed = pushed_to(environment)
        pushed.begin(push.replaced(delete=delete))
        try:
            push.send(pushed)
        except (KeyboardInterrupt, SlipwayError):
            push.leave()
            raise
        push.clean_up()
        if delete:
            push.delete(pushed)
        pushed.end()
    return _report(console, outcome, bucket.requests, time.monotonic() - begin)


def pushed_to(environment: Environment) -> Pushed:
    """Open the note of the last push, which belongs to the storage that there is now."""
    storage, found = environment.storage, environment.variables.get(variables.STORAGE)
    address = dsn.storage(found) if found else None
    api = address.api if isinstance(address, dsn.S3Dsn) else storage.endpoint
    place = f"{api}/{storage.bucket}/{storage.prefix}"
    return Pushed(environment.root / ".state", environment.name, place)


def _folder(environment: Environment) -> Path:
    folder = environment.root / FOLDER
    if not folder.is_dir():
        raise ConfigurationError(
            FOLDER, "is not there", "run 'invoke local.up' and upload a file, or make the folder"
        )
    return folder


def _report(console: Console, outcome: Outcome, requests: int, elapsed: float) -> int:
    tally = outcome.tally
    for name, reason in sorted(tally.problems):
        console.warn(f"{FOLDER}/{readable(name)}: {reason}")
    counts = {
        "copied in the bucket": outcome.copied, "deleted": outcome.deleted,
        "failed": len(tally.problems),
    }  # fmt: skip
    more = "".join(f", {count} {word}" for word, count in counts.items() if count)
    console.say(
        f"{files(tally.files)} sent ({size(tally.size)}), {outcome.unchanged} unchanged"
        f"{more}, verified, {seconds(elapsed)}"
    )
    fields: dict[str, object] = {
        "uploaded": tally.files,
        "skipped": outcome.unchanged,
        "copied": outcome.copied,
        "deleted": outcome.deleted,
        "failed": len(tally.problems),
        "bytes_sent": tally.size - tally.resumed,
        "bytes_resumed": tally.resumed,
        "requests": requests,
        "seconds": round(elapsed, 3),
    }
    return conclude(console, fields, "could not be sent")


def conclude(console: Console, fields: dict[str, object], reason: str) -> int:
    """Print the result and return the exit code; raises PartialTransfer where something failed.

    `reason` is what is said of those that failed.
    """
    if not fields["failed"]:
        console.result(fields)
        return OK
    what = f"{fields['failed']} {reason}"
    error = PartialTransfer(FOLDER, what, "see above, then run it again")
    if not console.as_json:
        raise error
    # Standard output takes one JSON object, and it should hold the counts.
    console.result({**fields, "error": str(error), "exit_code": error.exit_code})
    return error.exit_code
