"""Declare the tasks that tasks.py lists: signature, help, and one call of a flow each."""

from functools import partial
from typing import Any

import invoke

ENV = {"env": "environment: test, live, … (env/NAME.toml)"}
YES = {"yes": "answer every question with yes"}
JSON = {"json": "print exactly one JSON object on standard output"}
PLAN = {"plan": "only show; exit 0: nothing to do, 2: changes"}


class Task(invoke.Task[Any]):
    """Leave -h to --help, so that `invoke TASK -h` lists the task's options."""

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        """Return how an option is called and read."""
        return super().arg_opts(name, default, {*taken_names, "h"})


task = partial(invoke.task, klass=Task)
