import pytest

from slipway import release
from slipway.errors import DeployError
from slipway.release import Revision


def test_a_release_is_named_after_its_second_and_its_revision() -> None:
    now = 1795356301.9
    assert release.name(Revision("ab12cd3"), now) == "20261122-140501-ab12cd3"
    assert release.name(Revision("ab12cd3", dirty=True), now) == "20261122-140501-ab12cd3-dirty"
    assert release.name(Revision(), now) == "20261122-140501-nogit"
    for revision in (Revision("ab12cd3"), Revision("ab12cd3", dirty=True), Revision()):
        assert release.NAME.fullmatch(release.name(revision, now))


def test_a_secret_is_named_after_its_content() -> None:
    name = release.secret_name("myapp-test", b"A=1\n")
    assert name == release.secret_name("myapp-test", b"A=1\n")
    assert name != release.secret_name("myapp-test", b"A=2\n")
    assert name.startswith("myapp-test-env-")
    assert len(name) == len("myapp-test-env-") + 12


@pytest.mark.parametrize(
    "other",
    [
        ("sha256:b", "env-1", "text", 2),
        ("sha256:a", "env-2", "text", 2),
        ("sha256:a", "env-1", "other", 2),
        ("sha256:a", "env-1", "text", 3),
    ],
)
def test_the_fingerprint_changes_with_image_env_file_stack_file_and_replicas(
    other: tuple[str, str, str, int],
) -> None:
    assert release.fingerprint("sha256:a", "env-1", "text", 2) != release.fingerprint(*other)


def test_applied_migrations_are_read_from_what_migrate_says() -> None:
    said = "Running migrations:\n  Applying auth.0001_initial... OK\n  Applying b.0002_x... OK\n"
    assert release.applied(said) == ["auth.0001_initial", "b.0002_x"]
    # A command that calls migrate hands the words on line by line.
    assert release.applied("  Applying auth.0001_initial...\n OK\n") == ["auth.0001_initial"]
    assert release.applied("  No migrations to apply.\n") == []
    assert release.applied("  Applying auth.0001_initial...Traceback\n") == []


def test_the_newest_releases_and_those_in_use_are_kept() -> None:
    names = [f"2026112{day}-120000-abc1234" for day in range(8)]
    used = {names[0]}
    assert release.surplus([*names, "latest", "dev"], used, 5) == [names[2], names[1]]
    assert release.surplus(names[:5], (), 5) == []


SAID = """\
release: {"pending": [{"name": "a.1", "unsafe": ["DROP (x)"]}, {"name": "a.2", "unsafe": []}]}
System check identified no issues.
a lock was not free within 2 s; trying again
  Applying a.1... OK
manage.py createcachetable
Cache table made
"""


def test_what_the_release_task_says_is_read() -> None:
    pending = release.pending(SAID)
    assert [one.line() for one in pending] == ["a.1: DROP (x)", "a.2"]
    assert release.pending('release: {"pending": []}') == []
    for silent in ("release: {}", "nothing", '***: {"pending": []}'):
        with pytest.raises(DeployError, match="did not say which migrations are pending"):
            release.pending(silent)
        with pytest.raises(DeployError, match="did not say which migrations are unknown"):
            release.unknown(silent)
    assert release.unknown('release: {"unknown": ["a.3"]}') == ["a.3"]
    assert release.applied(SAID) == ["a.1"]
    assert release.remarks(SAID) == [
        "a lock was not free within 2 s; trying again",
        "manage.py createcachetable",
        "Cache table made",
    ]
    assert release.remarks("  Applying a.1... OK") == []
