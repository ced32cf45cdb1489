"""Seal texts with Ansible Vault, in its own format: `ansible-vault view` reads them too."""

import getpass
import os
import sys
from pathlib import Path

from slipway import envfile
from slipway.command import Command, Shell
from slipway.errors import ConfigurationError
from slipway.secrets import Secret

VARIABLE = "ANSIBLE_VAULT_PASSWORD_FILE"


def password(*, confirm: bool = False) -> Secret:
    """Return the password: of the file that ANSIBLE_VAULT_PASSWORD_FILE names, typed, or piped.

    A file that can be run is run, as Ansible does. Raises ConfigurationError where it is empty
    or, with `confirm`, typed differently the second time.
    """
    found = _from_file() if os.environ.get(VARIABLE) else _from_person(confirm)
    if not found:
        raise ConfigurationError(
            "vault", "the password is empty", f"type it, pipe it, or set {VARIABLE}"
        )
    return found


def seal(path: Path, text: str, password: Secret) -> None:
    """Write a text to a file, sealed; the old file is replaced in one step."""
    from ansible.parsing.vault import VaultLib

    sealed = VaultLib(_secrets(password)).encrypt(text.encode())
    envfile.write(path, sealed.decode())


def unseal(path: Path, password: Secret) -> str:
    """Return the text of a sealed file; raises ConfigurationError where it cannot be opened."""
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib

    try:
        return str(VaultLib(_secrets(password)).decrypt(path.read_bytes()).decode())
    except (AnsibleError, ValueError):
        raise ConfigurationError(
            f"{path.parent.name}/{path.name}", "cannot be opened with this password",
            "get the right one from a colleague",
        ) from None  # fmt: skip


def _secrets(password: Secret) -> list[tuple[str, object]]:
    from ansible.constants import DEFAULT_VAULT_IDENTITY
    from ansible.parsing.vault import VaultSecret

    return [(DEFAULT_VAULT_IDENTITY, VaultSecret(password.reveal().encode()))]


def _from_file() -> Secret:
    path = Path(os.environ[VARIABLE]).expanduser()
    if not path.is_file():
        raise ConfigurationError(VARIABLE, f"names {path}, which is no file", "mend it")
    if os.access(path, os.X_OK):
        return Secret(Shell().run(Command.of(path.resolve())).stdout.strip())
    return Secret(path.read_text(encoding="utf-8").strip())


def _from_person(confirm: bool) -> Secret:
    if not sys.stdin.isatty():
        return Secret(sys.stdin.readline().strip())
    typed = getpass.getpass("Vault password: ")
    if confirm and getpass.getpass("Vault password again: ") != typed:
        raise ConfigurationError("vault", "the two passwords differ", "try again")
    return Secret(typed)
