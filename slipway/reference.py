"""Write the reference from the code: `make reference`, which fills docs/reference.md."""

import copy
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from inspect import cleandoc
from pathlib import Path

from invoke import Collection
from invoke.parser.argument import Argument

from slipway.errors import EXIT_CODES
from slipway.fields import FAILURE, FIELDS

ROOT = Path(__file__).resolve().parent.parent
KEY = re.compile(r"([\w-]+) = (.+)")
HEADER = re.compile(r"\[\[?([\w.-]+)\]\]?")
VARIABLE = re.compile(r"^([A-Z_]+)=\{\{ (\w+) \|")
INTRODUCTION = """\
# Reference

Written by `make reference` from the code; a test compares. `invoke --list` shows the tasks,
`invoke --help TASK` what stands here of one.

[Tasks](#tasks) · [settings](#settings) · [variables](#variables) · [JSON](#json) ·
[exit codes](#exit-codes)
"""
TASKS = """\
Environments are chosen with `-e`, `--env`; the default is `test`. For `live` its name must be
typed. `--yes` answers every question; without a terminal it is needed where something would be
asked.
"""
SETTINGS = """\
`env/<name>.toml` describes an environment and is committed; [env/example.toml](../env/example.toml)
holds every setting. A mistake is reported with all others at once, before anything is touched.
"""
VARIABLES = """\
What [env/app.env.j2](../env/app.env.j2) writes into `env/<name>.env` (0600, ignored by git) and
`env/local.env`. Variables added there by hand stay.
"""
JSON = """\
`--json` prints exactly one object on standard output; everything else goes to standard error.
A field in brackets is not always there. A failure prints:
"""


def render(root: Path, collection: Collection) -> str:
    """Return the text of docs/reference.md."""
    parts = [
        INTRODUCTION,
        f"## Tasks\n\n{TASKS}",
        *_tasks(collection),
        f"## Settings\n\n{SETTINGS}",
        *_settings((root / "env" / "example.toml").read_text(encoding="utf-8")),
        f"## Variables\n\n{VARIABLES}",
        *_variables((root / "env" / "app.env.j2").read_text(encoding="utf-8")),
        f"## JSON\n\n{JSON}",
        *_json(),
        "## Exit codes\n",
        table(("code", "means"), ((str(code), said) for code, said in EXIT_CODES.items())),
    ]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *([_cell(text) for text in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Return a text as a cell shows it: outside of code a `<` would begin a tag."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(p if n % 2 else p.replace("<", "&lt;") for n, p in enumerate(parts))


def names(collection: Collection) -> list[str]:
    """List all tasks: those of the top level first."""
    return sorted(collection.task_names, key=lambda name: ("." in name, name))


def arguments(collection: Collection, name: str) -> list[Argument]:
    """Return a task's arguments; Invoke takes the help texts out of a task as it reads them."""
    return sorted(copy.deepcopy(collection[name]).get_arguments(), key=lambda one: one.name)


def summary(collection: Collection, name: str) -> str:
    """Return the first line of a task's documentation."""
    return cleandoc(collection[name].__doc__ or "").partition("\n")[0]


def _tasks(collection: Collection) -> Iterator[str]:
    rows = [(f"[`{name}`](#invoke-{_anchor(name)})", summary(collection, name))
            for name in names(collection)]  # fmt: skip
    yield table(("task", "does"), rows)
    for name in names(collection):
        yield f"### invoke {name}\n\n{cleandoc(collection[name].__doc__ or '')}\n"
        options = [
            (_option(one), one.help or "", _default(one)) for one in arguments(collection, name)
        ]
        if options:
            yield table(("option", "means", "default"), options)


def _anchor(name: str) -> str:
    return name.replace(".", "")


def _option(argument: Argument) -> str:
    long, *short = argument.names
    value = "" if argument.kind is bool else f"={argument.kind.__name__.upper()}"
    value = value.replace("STR", "TEXT").replace("LIST", "TEXT …")
    flags = [*(f"`-{one}`" for one in short), f"`--{long}{value}`"]
    return ("or without its name: " if argument.positional else "") + " ".join(flags)


def _default(argument: Argument) -> str:
    return "" if argument.default in (None, False, "", []) else f"`{argument.default}`"


def settings(example: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield table, its description, key, example and comment of each line of env/example.toml.

    A description stands above its table, a comment above its key.
    """
    header, about = "", ""
    comment: list[str] = []
    for line in example.splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
            continue
        if match := HEADER.fullmatch(line):
            header, about = match[0], " ".join(comment)
        elif match := KEY.fullmatch(line):
            yield header, about, match[1], match[2], " ".join(comment)
        comment = []


def _settings(example: str) -> Iterator[str]:
    groups: dict[str, list[tuple[str, str, str]]] = {}
    described: dict[str, str] = {}
    for header, about, key, value, comment in settings(example):
        described[header] = about
        groups.setdefault(header, []).append((f"`{key}`", f"`{value}`", comment))
    for header, rows in groups.items():
        yield f"### {header.strip('[]') or 'At the top'}\n"
        if header:
            yield f"`{header}` {described[header]}".rstrip() + "\n"
        yield table(("setting", "default or example", "means"), rows)


def _variables(template: str) -> Iterator[str]:
    """Yield the table of the variables that every project gets, without those of one's own."""
    rows: list[tuple[str, str]] = []
    comment: list[str] = []
    fresh = True
    for line in template.splitlines():
        if line.startswith("#"):
            comment = [*(comment if fresh else []), line.removeprefix("#").strip()]
            fresh = True
        elif (match := VARIABLE.match(line)) and match[1] == match[2].upper():
            rows.append((f"`{match[1]}`", " ".join(comment)))
            fresh = False
        elif not line:
            comment = []
    yield table(("variable", "belongs to"), rows)


def _json() -> Iterator[str]:
    yield table(("field", "holds"), _fields(FAILURE))
    for task in sorted(FIELDS, key=lambda name: ("." in name, name)):
        yield f"### {task} --json\n"
        yield table(("field", "holds"), _fields(FIELDS[task]))


def _fields(declared: dict[str, str]) -> list[tuple[str, str]]:
    return [(f"[`{n[:-1]}`]" if n.endswith("?") else f"`{n}`", t) for n, t in declared.items()]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from tasks import namespace

    sys.stdout.write(render(ROOT, namespace))
