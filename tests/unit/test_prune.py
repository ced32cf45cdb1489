from typing import Any

from docker.errors import APIError

from slipway import prune, swarm
from tests.unit.fakeswarm import FakeSwarm, spec

NAMES = [f"2026112{day}-120000-abc1234" for day in range(8)]


def test_images_beyond_the_newest_go_and_one_that_is_held_stays() -> None:
    engine = FakeSwarm().engine
    api: Any = engine.client.api
    api.images.return_value = [{"RepoTags": [f"myapp:{name}"]} for name in NAMES]
    api.images.return_value += [{"RepoTags": None}, {"RepoTags": ["myapp:latest"]}]
    api.remove_image.side_effect = [None, APIError("is used by a container")]
    assert prune.images(engine, "myapp", {NAMES[0]}) == 1
    removed = [call.args[0] for call in api.remove_image.call_args_list]
    assert removed == [f"myapp:{NAMES[2]}", f"myapp:{NAMES[1]}"]


def test_releases_that_any_stack_runs_or_may_go_back_to_are_in_use(fake: FakeSwarm) -> None:
    fake.add(spec("myapp-live_web", "myapp:r1"))
    fake.add(spec("other_web", "other:r9"))
    service = fake.add(spec("myapp-test_web", "myapp:r3"))
    service["PreviousSpec"] = spec("myapp-test_web", "myapp:r2")
    assert prune.in_use(fake.engine, "myapp") == {"r1", "r2", "r3"}


def test_env_files_beyond_the_newest_go_unless_they_are_used(fake: FakeSwarm) -> None:
    for number in range(8):
        swarm.hand_over(fake.engine, f"env-{number}", b"A=1", {})
        fake.secrets[f"env-{number}"]["CreatedAt"] = f"2026-11-2{number}T00:00:00Z"
    web = spec("myapp-test_web")
    web["TaskTemplate"]["ContainerSpec"]["Secrets"] = [{"SecretName": "env-1"}]
    fake.add(web)
    assert prune.secrets(fake.engine, "myapp-test") == 2
    assert sorted(fake.secrets) == ["env-1", "env-3", "env-4", "env-5", "env-6", "env-7"]
