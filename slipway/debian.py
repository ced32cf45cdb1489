"""Make a Debian root file system from the mirror in this machine's apt configuration."""

import shlex
from pathlib import Path
from urllib.parse import urlsplit

from slipway.command import Command, Shell
from slipway.errors import SlipwayError

RELEASE = "trixie"
SOURCES = ("", "-updates", "-security")
HINT = "use a machine with Debian 12 or later, or one that reaches an image registry"
REMOVED = " ".join(f'"$1"/usr/share/{folder}/*' for folder in ("doc", "info", "locale", "man"))


def bootstrap(shell: Shell, files: Path, tar: Path, release: str = RELEASE) -> Command:
    """Return the command that writes a root file system; `files` holds slim.apt and slim.dpkg.

    Raises SlipwayError where this machine knows no Debian mirror.
    """
    return Command.of(
        "mmdebstrap", "--variant=minbase", "--format=tar",
        # Removed afterwards, because mmdebstrap unpacks three times slower with excludes.
        f"--customize-hook=rm -rf {REMOVED}",
        f"--customize-hook=upload {shlex.quote(f'{files}/slim.apt')} /etc/apt/apt.conf.d/slim",
        f"--customize-hook=upload {shlex.quote(f'{files}/slim.dpkg')} /etc/dpkg/dpkg.cfg.d/slim",
        release, tar, "-",
        stdin="\n".join(sources(_targets(shell), release)).encode(),
    )  # fmt: skip


def sources(targets: str, wanted: str = RELEASE) -> list[str]:
    """Return the apt sources of a release of Debian at this machine's mirrors (pure).

    `targets` holds a line `<release> <component> <uri>` for each source of the machine.
    Raises SlipwayError where none is a release of Debian, or an address holds a password.
    """
    found: dict[str, str] = {}
    for line in targets.splitlines():
        release, component, uri = line.split(" ", 2)
        suffix = "-" + release.partition("-")[2] if "-" in release else ""
        if component == "main" and suffix in SOURCES:
            found.setdefault(suffix, _plain(uri))
    if "" not in found:
        raise SlipwayError("apt", "this machine knows no Debian mirror", HINT)
    return [f"deb {found[suffix]} {wanted}{suffix} main" for suffix in SOURCES if suffix in found]


def _targets(shell: Shell) -> str:
    fields = "$(RELEASE) $(COMPONENT) $(REPO_URI)"
    wanted = ("Created-By: Packages", "Origin: Debian")
    command = Command.of("apt-get", "indextargets", "--format", fields, *wanted)
    try:
        return shell.run(command).stdout
    except SlipwayError:
        raise SlipwayError("apt", "is not there to build base images", HINT) from None


def _plain(uri: str) -> str:
    """Return the mirror's address; `mirror+file:` names a list of which the first counts."""
    if uri.startswith("mirror+file:"):
        path = Path(uri.removeprefix("mirror+file:").rstrip("/"))
        uri = path.read_text().split()[0]
    if urlsplit(uri).password:
        raise SlipwayError(
            "apt", "a mirror's address holds a password, which would end up in images",
            "move it to /etc/apt/auth.conf.d",
        )  # fmt: skip
    return uri
