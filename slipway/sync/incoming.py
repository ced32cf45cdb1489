"""Decide what is to be fetched, and what may go: set arithmetic, the other way round (pure)."""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from slipway.objects import keys
from slipway.objects.listing import Object
from slipway.sync.plan import Known
from slipway.sync.scan import File, Problem, is_clutter

Fold = Callable[[str], str]


@dataclass
class Incoming:
    """Hold which objects differ from files, which are the same, and which must be read to know."""

    fetch: list[Object] = field(default_factory=list)
    read: list[tuple[File, Object]] = field(default_factory=list)
    extra: list[File] = field(default_factory=list)  # files that no object names
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)
    twins: int = 0  # objects that another disk would take for one
    left_out: int = 0


def compare(
    objects: Collection[Object],
    files: Mapping[str, File],
    known: Mapping[str, Known],
    left_out: Callable[[str], bool] = is_clutter,
    fold: Fold = str,
) -> Incoming:
    """Compare objects with files of the same name.

    A file counts as unchanged only if it is known to hold the content that the ETag of the
    listing stands for. `left_out` tells which names nobody wants; `fold` maps names to what the
    local disk takes them for.
    """
    result = Incoming()
    present = {fold(name): file for name, file in files.items()}
    named = {fold(there.name) for there in objects}
    for there in _possible(objects, result, left_out, fold):
        here = present.get(fold(there.name))
        if here is None or here.stamp.size != there.size:
            result.fetch.append(there)
        elif _is_known(here, there, known):
            result.unchanged += 1
        else:
            result.read.append((here, there))
    result.extra = [file for name, file in present.items() if name not in named]
    return result


def folded(name: str) -> str:
    """Return what disks that tell neither case nor unicode forms apart take a name for."""
    return unicodedata.normalize("NFC", name.casefold())


def too_many(extra: int, total: int) -> bool:
    """Tell whether more than half of all files would go."""
    return extra * 2 > total


def _possible(
    objects: Iterable[Object], result: Incoming, left_out: Callable[[str], bool], fold: Fold
) -> list[Object]:
    """Sort out what cannot become a file of its own, and say why."""
    good = []
    for there in objects:
        reason = None if left_out(there.name) else _refuses(there)
        if reason is None:
            result.left_out += 1
        elif reason:
            result.problems.append(Problem(there.name, reason))
        else:
            good.append(there)
    folders = {name for there in good for name in _folders(fold(there.name))}
    seen: dict[str, str] = {}
    alone = []
    for there in sorted(good):
        name = fold(there.name)
        if name in folders:
            result.problems.append(Problem(there.name, "is an object and a folder of others"))
        elif name in seen:
            what = f"has the same name as {keys.readable(seen[name])} on this disk"
            result.problems.append(Problem(there.name, what))
        else:
            seen[name] = there.name
            alone.append(there)
    result.twins = len(alone) - len({folded(there.name) for there in alone})
    return alone


def _refuses(there: Object) -> str | None:
    """Say why an object cannot be fetched; None: it is not meant to be."""
    if there.name.endswith("/") and not there.size:  # consoles make a folder visible so
        return None
    if "\0" in there.name or there.name.startswith("/"):
        return "its name leads out of the folder"
    return keys.problem(there.name)


def _folders(name: str) -> Iterable[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _is_known(here: File, there: Object, known: Mapping[str, Known]) -> bool:
    memory = known.get(here.name)
    return bool(memory and memory.stamp == here.stamp and there.etag in memory.etags)
