"""Say what every provider of storage for media can do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from slipway.dsn import StorageDsn
from slipway.plan import Change


@dataclass(frozen=True, slots=True)
class Step:
    """Join a change with the call that makes it; the call may be repeated without harm.

    `part` names what a server must have for it, where not every server has it.
    """

    change: Change
    act: Callable[[], None]
    part: str = ""


class Provider(Protocol):
    """Bring a container for media into being, with a key that opens it alone."""

    @property
    def notes(self) -> list[str]:
        """Return what this server cannot do of what is wanted, as found by `steps`; one a line."""

    def steps(self) -> list[Step]:
        """Read the world and return what differs, in the order to be made.

        Raises StorageError where the storage cannot be read.
        """

    def dsn(self) -> StorageDsn | None:
        """Return the DSN of the key in use, or None while there is none yet."""

    def provisioned(self) -> bool:
        """Tell whether `steps` found that a key was handed out for this environment before."""

    def withdraw(self) -> None:
        """Delete the key that a step of this run made, if one did; raises StorageError."""

    def settle(self) -> None:
        """Delete the key that the new one replaces and that is dead; raises StorageError."""

    def prove(self) -> None:
        """Write, read back as the public does, try what must be refused, and delete.

        Everything goes through the DSN. Raises StorageError.
        """

    def renew(self) -> bool:
        """Make a new key beside the one in use; `dsn` is the new one's from then on.

        Returns False where the storage knows no keys. Raises StorageError.
        """

    def retire(self) -> None:
        """Delete every key of this environment but the one in use; raises StorageError."""

    def holds(self) -> int:
        """Count the environment's objects, up to 1,000; raises StorageError."""

    def removal(self) -> list[Step]:
        """Return what `destroy` does, the objects first; nothing of others is touched.

        Raises StorageError.
        """
