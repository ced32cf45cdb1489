"""Policies of a container on Azure, tried on a container that this module keeps itself."""

from dataclasses import replace
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.settings.storage import Storage
from slipway.storage import azure_rules
from slipway.storage.azure import AzureProvider
from tests.unit.factory import environment

ENDPOINT = "http://127.0.0.1:1/account"


class Policy:
    """Stand for what the library reads: a name and what it allows."""

    def __init__(self, name: str, access_policy: Any) -> None:
        self.id, self.access_policy = name, access_policy


class Container:
    """Keep policies and access as a container does."""

    def __init__(self) -> None:
        self.policies: dict[str, Any] = {}
        self.access: str | None = None
        self.there = True
        self.blobs: list[str] = []

    def get_container_access_policy(self) -> dict[str, Any]:
        if not self.there:
            raise ResourceNotFoundError
        found = [Policy(name, policy) for name, policy in self.policies.items()]
        return {"public_access": self.access, "signed_identifiers": found}

    def set_container_access_policy(
        self, policies: dict[str, Any], public_access: str | None = None
    ) -> None:
        self.policies, self.access = dict(policies), public_access

    def list_blob_names(self, name_starts_with: str = "") -> list[str]:
        return [name for name in self.blobs if name.startswith(name_starts_with)]

    def delete_blob(self, name: str, **_: str) -> None:
        self.blobs.remove(name)

    def delete_container(self) -> None:
        self.policies, self.there = {}, False


class Service:
    """Stand for the account, whose rules are as they should be."""

    def __init__(self, storage: Storage) -> None:
        self.rule = azure_rules.cors_rule(storage)

    def get_service_properties(self) -> dict[str, Any]:
        return {"cors": [self.rule]}


@pytest.fixture
def container() -> Container:
    return Container()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    origins = ("https://www.example.com",)
    return environment(
        storage=Storage("azure", "media", endpoint=ENDPOINT, public=True, cors_origins=origins)
    )


def provider(site: Environment, container: Container) -> AzureProvider:
    made: Any = AzureProvider(site)
    made._container, made._service = container, Service(site.storage)
    return made  # type: ignore[no-any-return]


def converged(site: Environment, container: Container) -> Environment:
    made = provider(site, container)
    for step in made.steps():
        step.act()
    return written(site, made)


def written(site: Environment, made: AzureProvider) -> Environment:
    """Return the environment with the key in its env file."""
    used = made.dsn()
    assert used
    return replace(site, variables={"DEFAULT_STORAGE_DSN": used.render()})


def policy(made: AzureProvider) -> str:
    used = made.dsn()
    assert used
    return azure_rules.policy_of(used.key.reveal())


def test_a_rotation_that_was_killed_goes_on_with_the_new_key(
    site: Environment, container: Container
) -> None:
    site = converged(site, container)
    (old,) = container.policies
    killed = provider(site, container)
    assert killed.steps() == []
    assert killed.renew()
    (new,) = set(container.policies) - {old}
    again = provider(site, container)
    assert again.steps() == []
    assert policy(again) == old
    assert again.renew()
    assert policy(again) == new
    again.retire()
    assert set(container.policies) == {new}
    done = written(site, again)
    assert provider(done, container).steps() == []


def test_a_rotation_that_was_killed_later_keeps_the_key_of_the_env_file(
    site: Environment, container: Container
) -> None:
    site = converged(site, container)
    killed = provider(site, container)
    assert killed.renew()
    again = provider(written(site, killed), container)
    assert again.renew()
    assert policy(again) == policy(killed)
    again.retire()
    assert set(container.policies) == {policy(killed)}


def test_a_revoked_signature_does_not_come_back(
    site: Environment, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = list[str]()
    for moment in range(1_700_000_000, 1_700_000_003):
        monkeypatch.setattr("time.time", lambda now=moment: now)
        made = provider(converged(site, container), container)
        names.append(policy(made))
        for step in made.removal():
            step.act()
        container.there = True
    assert len(set(names)) == 3


def test_numbers_only_rise_and_those_of_before_are_known() -> None:
    old = azure_rules.policy_name("myapp-test", 2)
    new = azure_rules.policy_name("myapp-test", azure_rules.next_number([old]))
    assert all(azure_rules.is_own(name, "myapp-test") for name in (old, new))
    assert azure_rules.number(new) > 1_700_000_000
    assert azure_rules.next_number([new, "slipway-myapp-test-9999999999"]) == 10_000_000_000


def neighbour(site: Environment, **storage: Any) -> Environment:
    return replace(site, name="live", storage=replace(site.storage, **storage))


def test_a_container_with_files_of_others_is_neither_taken_nor_destroyed_without_a_prefix(
    site: Environment, container: Container
) -> None:
    whole = neighbour(site)
    converged(site, container)
    for look in (provider(whole, container).steps, provider(whole, container).removal):
        with pytest.raises(StorageError, match=r"files of other environments \(myapp-test\); give"):
            look()
    below = converged(neighbour(site, prefix="live"), container)
    assert provider(below, container).steps() == []
    with pytest.raises(StorageError, match=r"files of other environments \(myapp-live\)"):
        provider(site, container).removal()


@pytest.mark.parametrize("public", [True, False])
def test_the_access_to_a_neighbours_files_stays_as_it_is(
    site: Environment, container: Container, public: bool
) -> None:
    converged(replace(site, storage=replace(site.storage, public=public, prefix="a")), container)
    access = container.access
    other = neighbour(site, public=not public, prefix="b")
    with pytest.raises(StorageError, match="is shared with myapp-test, and public or private as"):
        provider(other, container).steps()
    for step in provider(other, container).removal():
        step.act()
    assert (container.access, container.there) == (access, True)


def test_a_neighbour_that_came_since_the_plan_is_noticed(
    site: Environment, container: Container
) -> None:
    site = replace(site, storage=replace(site.storage, prefix="a"))
    first = provider(site, container).steps()
    converged(neighbour(site, public=False, prefix="b"), container)
    with pytest.raises(StorageError, match="is shared with myapp-live"):
        first[0].act()
    assert container.access is None


def test_blobs_stay_where_a_neighbour_came_since_the_plan(
    site: Environment, container: Container
) -> None:
    removal = provider(converged(site, container), container).removal()
    converged(neighbour(site, prefix="b"), container)
    container.blobs.append("b/theirs.txt")
    with pytest.raises(StorageError, match="holds files of other environments"):
        removal[0].act()
    assert container.blobs == ["b/theirs.txt"]


def test_a_private_environment_leaves_a_mark_once(site: Environment, container: Container) -> None:
    private = converged(replace(site, storage=replace(site.storage, public=False)), container)
    assert len(container.policies) == 1
    made = provider(private, container)
    assert made.steps() == []
    assert made.provisioned()


def test_a_neighbour_is_named_without_its_number() -> None:
    names = ["slipway-a-1", "slipway-a-17", "slipway-my-b-2-3", "theirs", "slipway-hand"]
    assert azure_rules.neighbours(names, "a") == ["hand", "my-b-2"]
    assert azure_rules.neighbours(["slipway-a-1-1"], "a") == ["a-1"]


def test_what_was_added_to_the_dsn_by_hand_stays(site: Environment, container: Container) -> None:
    site = converged(site, container)
    found = provider(site, container).dsn()
    assert found
    added = replace(found, cache_control="max-age=60", expire=120, url="https://cdn.example.com")
    again = provider(replace(site, variables={"DEFAULT_STORAGE_DSN": added.render()}), container)
    assert again.steps() == []
    assert again.dsn() == added
    assert again.renew()
    used = again.dsn()
    assert used
    assert (used.cache_control, used.url, used.key == found.key) == (
        "max-age=60", "https://cdn.example.com", False,
    )  # fmt: skip
