from slipway.plan import Change, Plan

CREATE = Change("storage", "create", "bucket shop", "eu-west-1")
CHANGE = Change("hosts", "change", "host1")


def test_an_empty_plan_exits_0_and_one_with_changes_exits_2() -> None:
    assert Plan.of([], []).exit_code == 0
    assert Plan.of([CREATE], [CHANGE]).exit_code == 2
    assert not Plan.of([])


def test_changes_are_shown_with_a_sign() -> None:
    assert CREATE.line() == "+ bucket shop: eu-west-1"
    assert CHANGE.line() == "~ host1"


def test_a_plan_keeps_the_order_and_finds_its_parts() -> None:
    plan = Plan.of([CREATE], [CHANGE])
    assert plan.of_part("hosts") == (CHANGE,)
    assert [one["resource"] for one in plan.as_json()] == ["bucket shop", "host1"]
    assert set(plan.as_json()[0]) == {"part", "action", "resource", "detail", "loses"}
