"""Read the variables of the environment: real ones first, then those of the env file."""

import os
from pathlib import Path

from dotenv import load_dotenv

DEFAULT_ENV_FILE = "/run/secrets/env"


def load_env_file() -> None:
    """Add the variables of ENV_FILE to those of the process, which win; no file is no error."""
    path = Path(os.environ.get("ENV_FILE", DEFAULT_ENV_FILE))
    if path.is_file():
        # A secret may hold a "$": values are taken as they stand.
        load_dotenv(path, override=False, interpolate=False)


def text(name: str, default: str = "") -> str:
    """Return the variable without surrounding blanks."""
    return os.environ.get(name, default).strip()


def flag(name: str) -> bool:
    """Return whether the variable says yes."""
    return text(name).lower() in {"1", "true", "yes", "on"}


def words(name: str) -> list[str]:
    """Return the parts of a comma-separated variable."""
    return [word.strip() for word in text(name).split(",") if word.strip()]
