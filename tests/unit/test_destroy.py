from pathlib import Path

from slipway.destroy import forget
from tests.unit.factory import environment


def test_what_is_remembered_goes_and_that_of_other_environments_stays(tmp_path: Path) -> None:
    state = tmp_path / ".state"
    state.mkdir()
    gone = ["test-key.json", "media-test.sqlite", "media-test.pushed.json", "media-test.lock"]
    stay = ["test-eu-key.json", "media-test-eu.sqlite", "media-live.pushed.json"]
    for name in [*gone, *stay]:
        (state / name).write_text("")
    forget(environment(root=tmp_path))
    assert sorted(path.name for path in state.iterdir()) == sorted(stay)
    forget(environment(root=tmp_path / "nothing"))
