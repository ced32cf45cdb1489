"""Make the sets of files that are sent, the same in every run."""

import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1024 * 1024
LONG_AGO = 1_700_000_000


@dataclass(frozen=True)
class Sizes:
    """Hold how large the sets are."""

    small: int
    middle: int
    large: int
    changed: int
    new: int

    @classmethod
    def of(cls, *, quick: bool) -> "Sizes":
        """Return the sizes of the full run, or of one that ends in minutes."""
        return cls(5_000, 40, 1, 50, 12) if quick else cls(20_000, 200, 4, 200, 50)


def small(folder: Path, sizes: Sizes) -> None:
    """Write set A: files of 1 to 50 kB, log-normal, twenty to a folder."""
    dice = random.Random(1)
    for number in range(sizes.small):
        size = min(50_000, max(1_000, int(dice.lognormvariate(9.1, 0.75))))
        _write(folder / f"{number // 20:04}" / f"picture-{number:06}.jpg", size, dice)


def middle(folder: Path, sizes: Sizes) -> None:
    """Write set B: files of 2 to 10 MB."""
    dice = random.Random(2)
    for number in range(sizes.middle):
        _write(folder / f"clip-{number:03}.mp4", dice.randint(2_000_000, 10_000_000), dice)


def large(folder: Path, sizes: Sizes) -> None:
    """Write set C: files of 256 MiB."""
    dice = random.Random(3)
    for number in range(sizes.large):
        _write(folder / f"film-{number}.mov", 256 * MEBIBYTE, dice)


def change(folder: Path, sizes: Sizes, turn: int) -> None:
    """Make set D of set A: some files rewritten in the same size, some new, as many gone."""
    dice = random.Random(1000 + turn)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    chosen = dice.sample(files, sizes.changed + sizes.new)
    for path in chosen[: sizes.changed]:
        path.write_bytes(dice.randbytes(path.stat().st_size))
    for path in chosen[sizes.changed :]:
        path.unlink()
    for number in range(sizes.new):
        _write(folder / f"new-{turn}" / f"{number}.jpg", dice.randint(1_000, 50_000), dice)
    # Young files are read again by whoever is careful; a person does not push within seconds.
    now = time.time() - 10
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_mtime > now:
            os.utime(path, (now, now))
    time.sleep(2.1)


def copy(source: Path, target: Path) -> Path:
    """Copy a set, with its times."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _write(path: Path, size: int, dice: random.Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while size > 0:
            file.write(dice.randbytes(min(size, MEBIBYTE)))
            size -= MEBIBYTE
    os.utime(path, (LONG_AGO, LONG_AGO))
