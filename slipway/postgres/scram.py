"""Make and check the verifier that PostgreSQL stores instead of a password (pure).

Sources: RFC 5802 and RFC 7677 (SCRAM-SHA-256), RFC 4013 (SASLprep), and the table pg_authid in
PostgreSQL's manual for the text's form.
"""

import base64
import hashlib
import hmac
import os
import re
import stringprep
import unicodedata

from slipway.secrets import Secret

ITERATIONS = 4096
SALT_BYTES = 16
FORM = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")
PROHIBITED = (
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3,
    stringprep.in_table_c4, stringprep.in_table_c5, stringprep.in_table_c6,
    stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9,
    stringprep.in_table_a1,
)  # fmt: skip


def verifier(password: Secret, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return the text that is stored; without `salt` a random one is taken."""
    salt = salt if salt is not None else os.urandom(SALT_BYTES)
    words = prepared(password.reveal())
    salted = hashlib.pbkdf2_hmac("sha256", words, salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def matches(stored: str, password: Secret) -> bool:
    """Return whether a stored verifier belongs to this password; another kind never does."""
    found = FORM.fullmatch(stored)
    if not found:
        return False
    again = verifier(password, base64.b64decode(found[2]), int(found[1]))
    return hmac.compare_digest(again.encode(), stored.encode())


def prepared(password: str) -> bytes:
    """Return a password's bytes after SASLprep, or as they are where it does not apply."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if not stringprep.in_table_b1(char)
    )
    text = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    return (text if text and _allowed(text) else password).encode()


def _allowed(text: str) -> bool:
    if any(in_table(char) for char in text for in_table in PROHIBITED):
        return False
    if not any(stringprep.in_table_d1(char) for char in text):
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(stringprep.in_table_d2(char) for char in text)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
