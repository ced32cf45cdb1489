import sys
from dataclasses import dataclass

import pytest

from slipway.command import Command, Shell
from slipway.errors import DatabaseError
from slipway.postgres.server import Server
from slipway.postgres.session import Session, StatementError

# Says why the first statement failed only when the second comes, and ends then.
LATE = """
import sys
said = False
for line in sys.stdin:
    if line.startswith("\\\\echo "):
        word = line.split()[1]
        print("true 22012 division by zero" if word == ":ERROR" else word, flush=True)
        said = True
    elif said and line.strip():
        sys.stderr.write("ERROR:  division by zero\\nFATAL:  terminating connection\\n")
        sys.exit(2)
"""


@dataclass(frozen=True)
class Late(Server):
    """Answer as psql does whose errors take longer than its answers."""

    def command(self, argv: list[str], options: str = "") -> Command:
        del argv, options
        return Command.of(sys.executable, "-c", LATE)


def test_an_error_is_not_explained_by_an_earlier_one() -> None:
    with Session(Shell(), Late("host1", "")) as session:
        with pytest.raises(StatementError, match="division by zero"):
            session.query("SELECT 1/0;")
        with pytest.raises(DatabaseError, match="host1: terminating connection"):
            session.query("SELECT 1;")
