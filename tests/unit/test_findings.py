from slipway import findings
from slipway.errors import OK, UNHEALTHY
from slipway.findings import Finding

FOUND = [
    Finding("Hosts", "host1", "ok", "root@192.0.2.10"),
    Finding("Site", "health", "fail", "answers 503 through host1 " * 6, "see the logs " * 9),
    Finding("Hosts", "host2", "warn", "low"),
    Finding("Site", "clock", "skip", "not checked"),
]


def test_findings_are_grouped_and_fit_80_columns() -> None:
    lines = findings.lines(FOUND)
    assert lines[:4] == ["Hosts", "  ✓ host1          root@192.0.2.10",
                         "  ! host2          low", "Site"]  # fmt: skip
    assert max(len(line) for line in lines) <= 80
    assert lines[4].startswith("  ✗ health         answers 503")
    assert any(line.startswith("                   → see the logs") for line in lines)


def test_only_what_is_broken_changes_the_exit_code() -> None:
    assert findings.exit_code(FOUND) == UNHEALTHY
    assert findings.exit_code([one for one in FOUND if one.state != "fail"]) == OK
    assert findings.summary(FOUND) == "1 in order, 1 to look at, 1 broken, 1 not checked"


def test_json_has_the_next_step() -> None:
    assert FOUND[0].as_json() == {
        "where": "Hosts", "name": "host1", "state": "ok", "text": "root@192.0.2.10", "next": "",
    }  # fmt: skip
