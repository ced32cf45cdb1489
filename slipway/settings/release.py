"""Read [release]: what happens once for each release, before it serves (pure)."""

from dataclasses import dataclass

from slipway.toml import Table


@dataclass(frozen=True, slots=True)
class ReleasePhase:
    """Hold how the database is migrated and what else runs; times in seconds."""

    commands: tuple[str, ...] = ()
    timeout: int = 3600
    lock_timeout: int = 2
    patience: int = 60
    refuse_unsafe: bool = False

    def words(self) -> list[str]:
        """Return the command of the release task, as the app's `cloud` takes it."""
        words = ["python", "manage.py", "release", f"--lock-timeout={self.lock_timeout}"]
        words += [f"--patience={self.patience}", *(["--safe-only"] if self.refuse_unsafe else [])]
        return [*words, *(f"--run={command}" for command in self.commands)]


def read(table: Table) -> ReleasePhase:
    """Read the table; what is wrong goes to its problems."""
    found = ReleasePhase(
        commands=table.texts("commands"),
        timeout=table.number("timeout", 3600, 1, 86400),
        lock_timeout=table.number("lock_timeout", 2, 1, 600),
        patience=table.number("patience", 60, 0, 86400),
        refuse_unsafe=table.flag("refuse_unsafe", False),
    )
    table.finish()
    return found
