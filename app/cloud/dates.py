"""Date files by their content, so that the same files give the same image layer.

Browsers ask whether a file is newer than the one they have: another content needs another date.
"""

import hashlib
import os
import sys
from pathlib import Path

BEGIN = 315532800  # 1980: older dates do not fit into zip files


def date_by_content(folder: Path) -> None:
    """Give each file below the folder a date that depends on its content alone."""
    for path in [folder, *sorted(folder.rglob("*"))]:
        digest = hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest()
        seconds = BEGIN + int.from_bytes(digest[:3], "big") * path.is_file()
        os.utime(path, (seconds, seconds))


if __name__ == "__main__":
    date_by_content(Path(sys.argv[1]))
