"""Declare what `--json` prints, a table a task; the reference and the tests read it (pure).

A task that prints JSON adds its fields here. A name that ends in "?" is not always there.
A failure prints FAILURE instead.
"""

from collections.abc import Iterable, Mapping

FAILURE = {"error": "one line: where, what, what to do next", "exit_code": "see exit codes"}
SECONDS = {"seconds": "how long it took"}
TRANSFER = {
    "uploaded": "number of files sent",
    "skipped": "number of files that were there already",
    "copied": "number of files that were renamed here and copied in the bucket",
    "deleted": "number of objects removed",
    "failed": "number of files that could not be sent",
    "bytes_sent": "bytes of the files sent",
    "bytes_resumed": "bytes of these files that an interrupted run had sent already",
    "requests": "HTTP requests made to the storage, repetitions included",
    **SECONDS,
    "error?": "only where some files failed (exit code 9)",
    "exit_code?": "with `error`",
}

FIELDS: dict[str, dict[str, str]] = {
    "check-media": {
        "rows": "number of rows that name a file",
        "objects": "number of objects in the storage",
        "missing": "a list of `field`, `row` and `name`: files that are not in the storage",
        "orphans": "a list of names of objects that no row names",
        "elsewhere": "fields that use another storage and were not looked at",
        **SECONDS,
    },
    "destroy": {
        "environment": "the environment's name",
        "changes": "what goes, as with `provision`",
        "applied": "false with `--plan`",
        **SECONDS,
    },
    "rotate-keys": {
        "rotated": "false where the storage knows no key of the site's own",
        "release": "the release that serves with the new key; empty where nothing is deployed",
        **SECONDS,
    },
    "deploy": {
        "release": "name of the release that serves now",
        "image": "its image on the hosts",
        "changed": "false where the running release was the same",
        "hosts": "names of the hosts",
        "migrations": "what `migrate` said that it applied",
        "bytes_shipped": "bytes that went to the hosts, counted on the wire before SSH",
        "requests?": "with `--probe`: requests sent through the proxies meanwhile",
        "failed_requests?": "with `--probe`: those without an answer, or with 500 and above",
        **SECONDS,
    },
    "doctor": {
        "environment": "the environment's name",
        "healthy": "false where something is broken (exit code 11)",
        "findings": "a list of `where`, `name`, `state` (`ok`, `warn`, `fail`, `skip`), `text` "
        "and `next`: what is printed for people",
        **SECONDS,
    },
    "maintenance": {
        "environment": "the environment's name",
        "on": "whether the page is shown now",
        "pass_url": "with `--on`: who opens it sees the site all the same; else empty",
    },
    "rollback": {
        "release": "name of the release that serves now",
        "image": "its image on the hosts",
        "changed": "true",
        "hosts": "names of the hosts",
        "migrations": "an empty list",
        "bytes_shipped": "0",
        "requests?": "as for deploy",
        "failed_requests?": "as for deploy",
        **SECONDS,
    },
    "releases": {
        "serving": "name of the release that runs whole, or nothing",
        "releases": "a list, the newest first, of `release`, `action` (`deploy`, `rollback`, "
        "`rotate-keys`), `when`, `who`, `revision`, `dirty`, `seconds`, `bytes_shipped`, `outcome`",
    },
    "env-vars": {
        "environment": "the environment's name",
        "names": "names of the variables: all, or those concerned",
        "value?": "with `--get`: the value",
        "changed?": "whether a file was written",
        "only_here?": "with `--diff`: names that the other environment lacks",
        "only_there?": "with `--diff`: names that this environment lacks",
        "differing?": "with `--diff`: names with another value",
    },
    "provision": {
        "environment": "the environment's name",
        "site": "the site's URL",
        "changes": "a list of `part` (`storage`, `env`, `hosts`, `database`), `action` (`create`, "
        "`change`, `delete`), `resource`, `detail` and `loses` (what cannot be got back then, else "
        "empty), in the order in which they are made; never a secret",
        "notes": "a list of what the storage cannot do of what is wanted",
        "applied": "false with `--plan`",
        "parts": "the seconds by part (`storage`, `hosts`, `database`, `env`), only those that ran",
        **SECONDS,
    },
    "pull-media": {
        "downloaded": "number of files fetched",
        "skipped": "number of files that were here already",
        "deleted": "number of files removed here",
        "failed": "number of files that could not be fetched or removed",
        "bytes_received": "bytes that came in, those of repeated tries too",
        "requests": "requests made to the storage, without the library's own retries",
        **SECONDS,
        "changes?": "with `--plan`: a list of `part`, `action`, `resource` and `detail`",
        "applied?": "with `--plan`: false",
        "error?": "only where some files failed (exit code 9)",
        "exit_code?": "with `error`",
    },
    "prune": {
        "images": "number of images removed, by host; `here` is this machine",
        "secrets": "number of env files removed from the Swarm",
        "bytes_freed": "bytes that the layers of images take up less",
    },
    "undo-media": {
        "restored": "number of objects whose earlier version is the present one again",
        "skipped": "number of objects that were left as they are",
        "failed": "number of objects that could not be brought back",
        **SECONDS,
        "error?": "only where some failed (exit code 9)",
        "exit_code?": "with `error`",
    },
    "push-db": {
        "tables": "number of tables compared on both sides",
        "rows": "number of rows compared on both sides",
        "bytes_sent": "bytes on the way, compressed where they leave this machine",
        "rows_reused": "number of rows that were not sent: the live database had them already",
        "downtime_ms": "from the first connection that was ended to the switch",
        "previous": "the name under which the old database is kept",
        **SECONDS,
    },
    "pull-db": {
        "tables": "number of tables compared on both sides",
        "rows": "number of rows compared on both sides",
        "bytes_received": "bytes on the way, compressed where they leave this machine",
        "rows_reused": "number of rows that were not sent: the live database had them already",
        "downtime_ms": "as for push-db",
        "previous": "the name under which the old local database is kept",
        **SECONDS,
    },
    "undo-db": {
        "downtime_ms?": "as for push-db",
        "previous?": "the name under which what served is kept now",
        "dropped?": "only with `--drop-previous`, instead of both: the name of what was dropped",
        "seconds": "how long it took",
    },
    "push-media": TRANSFER,
    "status": {
        "environment": "the environment's name",
        "site": "the site's URL",
        "healthy": "false where something is broken (exit code 11)",
        "release": "null, or `name`, `revision`, `by` and `at` of the release that serves",
        "hosts": "a list of `name`, `address`, `reachable`, `engine`, `leads`, `disk_size` and "
        "`disk_free` (bytes); without hosts that cannot be reached",
        "services": "a list of `name` (`web`, `db`, `proxy`), `running`, `wanted`, "
        "`failed_last_hour` and `tasks` (`slot`, `host`, `state`, `since`, `error`)",
        "health": "a list of `host`, `status` and `seconds`: asked through each proxy",
        "certificates": "a list of `host`, `ends` and `problem`; empty without TLS",
        "storage": "null, or `reachable`, `files`, `bytes` and `counted_all`",
        "database": "null, or `name`, `bytes` and `connections`",
        "backup": "null where no earlier database is kept, or its `name`, `bytes`, "
        "`last_push`, and whether that push was `undone`",
        "env": "null, or `same`: whether the env file here is what is deployed",
        "findings": "a list of `where`, `name`, `state` (`ok`, `warn`, `fail`, `skip`), `text` "
        "and `next`: what is printed for people",
        **SECONDS,
    },
    "sandbox.demo": {
        "first": "the results of the four commands, by their names",
        "again": "the results of `provision` and `push-media` right after",
        "checked": "`files` and `bytes` compared from outside",
        "url": "where to look",
        **SECONDS,
    },
}


def differences(task: str, names: Iterable[str]) -> list[str]:
    """Return how the names that a task printed differ from its table: `+more`, `-missing`."""
    table = FIELDS.get(task, {})
    wanted = {name for name in table if not name.endswith("?")}
    allowed = {name.rstrip("?") for name in table}
    given = set(names)
    return sorted([f"+{name}" for name in given - allowed] + [f"-{n}" for n in wanted - given])


def is_declared(printed: Mapping[str, object]) -> bool:
    """Return whether some task's table, or a failure's, is what was printed."""
    failed = set(printed) == set(FAILURE)
    return failed or any(not differences(task, printed) for task in FIELDS)
