"""Declare the tasks that tasks.py lists: signature, help, and one call of a flow each."""

ENV = {"env": "environment: test, live, … (env/NAME.toml)"}
YES = {"yes": "answer every question with yes"}
JSON = {"json": "print exactly one JSON object on standard output"}
PLAN = {"plan": "only show; exit 0: nothing to do, 2: changes"}
