import threading

from slipway import checks
from slipway.checks import Check
from slipway.errors import ConfigurationError, ConfigurationErrors, HostError
from slipway.findings import Finding

GOOD = Finding("a", "good", "ok", "fine")


def raising(error: Exception) -> list[Finding]:
    raise error


def test_every_check_is_shown_in_order_whatever_happens_to_others() -> None:
    problems = [ConfigurationError("env/test.toml", f"{name} is missing", "x") for name in "ab"]
    found = checks.run(
        [
            Check("a", "SSH", lambda: raising(HostError("host1", "refuses the key", "look"))),
            Check("a", "bug", lambda: raising(KeyError("x"))),
            Check("a", "file", lambda: raising(ConfigurationErrors(problems))),
            Check("a", "disk", lambda: raising(OSError(28, "No space left"))),
            Check("a", "good", lambda: iter([GOOD])),
        ]
    )
    assert [one.state for one in found] == ["fail"] * 5 + ["ok"]
    assert (found[0].text, found[0].hint) == ("host1: refuses the key", "look")
    assert found[1].hint == "report this"
    assert found[3].text == "env/test.toml: b is missing"
    assert found[4].hint == "mend that, and run it again"
    assert found[5] is GOOD


def test_checks_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=5)

    def meets() -> list[Finding]:
        meeting.wait()
        return [GOOD]

    assert checks.run([Check("a", "b", meets), Check("a", "c", meets)]) == [GOOD, GOOD]


def test_a_check_that_hangs_keeps_nobody_waiting() -> None:
    never = threading.Event()
    hangs = Check("a", "hangs", lambda: [GOOD] if never.wait() else [])
    found = checks.run([hangs, Check("a", "good", lambda: [GOOD])], patience=0.05)
    never.set()
    assert [one.state for one in found] == ["fail", "ok"]
    assert "gave no answer" in found[0].text
