"""Name every way in which a command can fail, and the exit code of each.

SlipwayError                    1   anything below, and what has no better name
├── ConfigurationError          3   env/<name>.toml, an option, a variable (also a ValueError)
│   └── DsnError                3   a storage or database DSN cannot be read
├── HostError                   4   a host cannot be reached or refuses
├── StorageError                5   the object storage refuses or cannot be reached
├── DatabaseError               6   a database refuses, or what arrived is not what was sent
├── DeployError                 7   the new release did not start; the old one serves
├── Declined                    8   a question was answered with no
├── PartialTransfer             9   some files could not be sent or fetched; the rest was
└── CommandError                10  a program ended with an error (also a RuntimeError)

0 is success; 2 means that a plan has changes to make; 11 that `status`, `doctor` or
`check-media` found something broken; 130 is Ctrl-C.
"""

from invoke.exceptions import Exit

OK = 0
CHANGES = 2
UNHEALTHY = 11
INTERRUPTED = 130
# What each code means to whoever calls a task; the reference shows it.
EXIT_CODES = {
    OK: "done; for `--plan`: nothing to change",
    1: "failed, for a reason without a code of its own",
    CHANGES: "`--plan`: there are changes to make",
    3: "`env/<name>.toml`, an option or a variable is wrong; every problem is named at once",
    4: "a host cannot be reached, or refuses",
    5: "the object storage refuses or cannot be reached",
    6: "a database refuses, or what arrived is not what was sent; the old one serves",
    7: "the new release did not start; the old one serves",
    8: "a question was answered with no; nothing was done",
    9: "some files could not be sent or fetched; the others were",
    10: "a program that was called failed",
    UNHEALTHY: "`status`, `doctor` or `check-media` found something wrong, and said what",
    INTERRUPTED: "Ctrl-C; the same command goes on where it stopped",
}


# The page that tells more, and of which failures.
PAGE = "docs/oncall.md"
TOLD_MORE = frozenset({4, 5, 6, 7, 9})


class SlipwayError(Exit):
    """Report one problem in one line: where it is, what it is, and what to do next."""

    exit_code = 1

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        self.where = where
        # Also where it becomes part of another message: servers end theirs with a line break.
        self.what = " ".join(what.split())
        self.hint = hint
        super().__init__(self.line(), self.exit_code)

    def line(self) -> str:
        """Return the message as `where: what; hint`, without line breaks."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.hint:
            text += f"; {self.hint}"
        return " ".join(text.split())

    def __str__(self) -> str:
        return self.line()


class ConfigurationError(SlipwayError, ValueError):
    """Say what is wrong in a file, an option or a variable."""

    exit_code = 3


class ConfigurationErrors(ConfigurationError):
    """Say everything that is wrong at once, a line for each problem."""

    def __init__(self, problems: list[ConfigurationError]) -> None:
        self.problems = problems
        first = problems[0]
        super().__init__(first.where, first.what, first.hint)
        self.message = str(self)

    def __str__(self) -> str:
        return "\n".join(problem.line() for problem in self.problems)


class DsnError(ConfigurationError):
    """Say which part of a DSN cannot be read; the DSN itself is never shown."""


class HostError(SlipwayError):
    """Say which host cannot be reached, or refuses, and why."""

    exit_code = 4


class StorageError(SlipwayError):
    """Say what the object storage refused."""

    exit_code = 5


class DatabaseError(SlipwayError):
    """Say what a database refused, or how a copy differs from its source."""

    exit_code = 6


class DeployError(SlipwayError):
    """Say why the new release did not go live; the old one goes on serving."""

    exit_code = 7


class Declined(SlipwayError):
    """Say that nothing was done because a question was answered with no."""

    exit_code = 8


class PartialTransfer(SlipwayError):
    """Say how many files did not make it; the others did."""

    exit_code = 9


class CommandError(SlipwayError, RuntimeError):
    """Say which program failed and the last thing that it said."""

    exit_code = 10
