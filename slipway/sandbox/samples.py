"""Bring real pictures and documents into data/media, out of packages of the distribution."""

import shutil
from pathlib import Path

from slipway.command import Command, Shell
from slipway.errors import CommandError, SlipwayError

PACKAGES = ("tango-icon-theme", "developers-reference-fr")
KINDS = {".png", ".svg", ".pdf", ".html", ".txt", ".epub"}
LEAST = 500
LONGEST = 90
FOLDERS = {"tango-icon-theme": "Bilder für Übersicht", "developers-reference-fr": "Référence été"}


def bring(root: Path, shell: Shell) -> list[str]:
    """Copy at least 500 files to data/media, and return their names below it.

    The names have spaces, accents and nested folders. A file that is there is left alone.
    Raises SlipwayError where the packages cannot be fetched.
    """
    media = root / "data" / "media"
    names = set()
    for package in PACKAGES:
        unpacked = _unpacked(root, package, shell)
        for source in _documents(unpacked):
            name = _name(package, source.relative_to(unpacked))
            if len(name.encode()) <= LONGEST:
                names.add(name)
                _copy(source, media / name)
    if len(names) < LEAST:
        raise SlipwayError("demo", f"only {len(names)} sample files were found", "apt-get update")
    return sorted(names)


def _unpacked(root: Path, package: str, shell: Shell) -> Path:
    folder = root / ".sandbox" / "samples" / package
    if folder.is_dir():
        return folder
    cache = root / ".sandbox" / "packages"
    cache.mkdir(parents=True, exist_ok=True)
    download = Command.of("apt-get", "download", "-q", package, cwd=cache)
    try:
        shell.run(download)
    except CommandError:
        shell.run(Command.of("apt-get", "update", "-q"))
        shell.run(download)
    archive = next(cache.glob(f"{package}_*.deb"))
    partial = folder.with_name(f"{package}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shell.run(Command.of("dpkg-deb", "-x", archive, partial))
    partial.rename(folder)
    return folder


def _documents(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*"))
    return [p for p in found if p.suffix in KINDS and p.is_file() and not p.is_symlink()]


def _name(package: str, path: Path) -> str:
    kept = path.parts[-3:] if len(path.parts) > 3 else path.parts
    return "/".join((FOLDERS[package], *kept[:-1], kept[-1].replace("-", " ")))


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
