"""Install the peers, pinned, into virtual environments of their own under .state/bench."""

import hashlib
import os
import sys
from pathlib import Path

from slipway.command import Command, Shell

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".state" / "bench"
LOCKS = Path(__file__).parent / "peers"


def install(name: str, shell: Shell | None = None) -> Path:
    """Install what bench/peers/<name>.txt pins, once, and return the folder of its programs."""
    shell, lock, venv = shell or Shell(), LOCKS / f"{name}.txt", STATE / name
    stamp, wanted = venv / ".lock", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        shell.run(Command.of(sys.executable, "-m", "venv", "--clear", venv))
        pip = (venv / "bin" / "pip", "install", "--quiet", "--require-hashes")
        shell.run(Command.of(*pip, "--requirement", lock))
        stamp.write_text(wanted, encoding="utf-8")
    return venv / "bin"


def path_with(programs: Path) -> str:
    """Return a PATH that finds the programs of a peer first."""
    return os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
