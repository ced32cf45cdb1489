"""Say which keys can be sent unchanged, and show the others readably (pure)."""

import re
from urllib.parse import quote

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
ODD_FOLDER = re.compile(r"/\.{0,2}/")
LONGEST_KEY = 1024  # bytes of UTF-8, the limit of S3
LONGEST_PART = 255  # bytes, the limit of ext4, XFS and APFS


def problem(key: str) -> str:
    """Say why a key cannot be sent as it is, or return an empty text.

    Some servers refuse control characters and empty or dotted segments; some servers turn a
    backslash into a slash, so that another object would be written than the one asked for.
    """
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if CONTROL.search(key):
        return "its name holds a control character"
    if "\\" in key:
        return "its name holds a backslash"
    if ODD_FOLDER.search(f"/{key}/"):
        return "its name holds an empty or dotted folder"
    if len(encoded) > LONGEST_KEY:
        return f"its path is longer than {LONGEST_KEY} bytes"
    return ""


def overlong(name: str) -> bool:
    """Tell whether a file, or one of its folders, cannot be called so."""
    parts = name.encode("utf-8", "surrogatepass").split(b"/")
    return any(len(part) > LONGEST_PART for part in parts)


def quoted(key: str) -> str:
    """Escape a key for a header or an address."""
    return quote(key)


def readable(name: str) -> str:
    """Return a name that any terminal can show: what cannot be printed is escaped."""
    plain = name.encode("utf-8", "backslashreplace").decode()
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in plain
    )
