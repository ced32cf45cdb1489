import os
import sys

import pytest

from slipway.command import Command, Shell
from slipway.errors import CommandError
from slipway.secrets import Secret

PYTHON = sys.executable


def test_a_command_gets_its_standard_input_and_environment() -> None:
    code = "import os, sys; print(sys.stdin.read() + os.environ['WORD'])"
    command = Command.of(PYTHON, "-c", code, stdin=Secret("in-"), env={"WORD": Secret("env")})
    assert Shell().run(command).stdout == "in-env\n"
    assert "WORD" not in os.environ
    assert "env" not in repr(command.env)


def test_without_standard_input_it_is_empty_and_not_the_terminal() -> None:
    command = Command.of(PYTHON, "-c", "import sys; print(repr(sys.stdin.read()))")
    assert Shell().run(command).stdout == "''\n"


def test_a_failure_says_the_last_words() -> None:
    command = Command.of(PYTHON, "-c", "import sys; sys.exit('no space left')")
    with pytest.raises(CommandError, match=r"failed \(1\): no space left"):
        Shell().run(command)
    assert Shell().run(command, check=False).code == 1


def test_a_missing_program_is_named() -> None:
    with pytest.raises(CommandError, match="no-such-program: is not installed"):
        Shell().run(Command.of("no-such-program"))
    with pytest.raises(CommandError, match="no-such-program: is not installed"):
        Shell().start(Command.of("no-such-program"))


def test_a_program_that_hangs_is_given_up() -> None:
    command = Command.of(PYTHON, "-c", "import time; time.sleep(30)")
    with pytest.raises(CommandError, match=r"gave no result within 0\.2 s"):
        Shell().run(command, timeout=0.2)


def test_started_programs_stream() -> None:
    process = Shell().start(Command.of(PYTHON, "-c", "print('here')"))
    said, _ = process.communicate()
    assert said == b"here\n"
