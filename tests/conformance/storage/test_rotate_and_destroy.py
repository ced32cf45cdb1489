"""Rotate the key and take an environment away, on a real storage; the hosts stand aside here."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slipway import destroy, envfile, rotate
from slipway.console import Console
from slipway.dsn import S3Dsn, storage
from slipway.environment import Environment, read_variables
from slipway.errors import DeployError, StorageError
from slipway.secrets import Secret
from slipway.storage import provider
from slipway.storage.s3_client import app_client, client
from tests.conformance.storage import places
from tests.conformance.storage.places import Place
from tests.conformance.storage.test_interrupted import run
from tests.unit.factory import ROOT, environment

YES = Console(assume_yes=True)


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with places.seaweedfs(tmp_path_factory.mktemp("weed")) as started:
        yield started


@pytest.fixture
def site(weed: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    for name, value in weed.administrator.items():
        monkeypatch.setenv(name, value)
    # Nothing is deployed here.
    monkeypatch.setattr(rotate, "_warn_of_more", lambda *_: None)
    (tmp_path / "env").mkdir()
    template = (ROOT / "env" / envfile.TEMPLATE).read_text()
    (tmp_path / "env" / envfile.TEMPLATE).write_text(template)
    wanted = environment(root=tmp_path, storage=weed.wanted("rotated"))
    run(wanted)
    yield again(wanted)
    for step in provider(wanted).removal():
        step.act()


def again(site: Environment) -> Environment:
    return replace(site, variables=read_variables(site.env_file))


def used(site: Environment) -> S3Dsn:
    found = storage(again(site).variables["DEFAULT_STORAGE_DSN"])
    assert isinstance(found, S3Dsn)
    return found


def keys(site: Environment) -> list[str]:
    found = client(site.storage, "iam").list_access_keys(UserName="myapp-test-media")
    return sorted(key["AccessKeyId"] for key in found["AccessKeyMetadata"])


def test_the_old_key_goes_only_once_the_site_runs_with_the_new_one(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, seen = used(site), list[list[str]]()

    def redeploy(changed: Environment, _: Console) -> str:
        seen.append(keys(site))
        for one in (old, used(changed)):
            app_client(one).put_object(Bucket=one.bucket, Key="a", Body=b"x")
        return "release"

    monkeypatch.setattr(rotate, "_redeployed", redeploy)
    rotate.rotate_keys(site, YES)
    assert keys(site) == [used(site).key]
    assert used(site).key != old.key
    assert seen == [sorted([old.key, used(site).key])]


def test_a_roll_out_that_fails_keeps_the_old_key_and_the_next_run_completes(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = used(site)

    def fail(*_: object) -> str:
        raise DeployError("web", "does not become healthy")

    monkeypatch.setattr(rotate, "_redeployed", fail)
    with pytest.raises(DeployError):
        rotate.rotate_keys(site, YES)
    new = used(site)
    assert keys(site) == sorted([old.key, new.key])
    monkeypatch.setattr(rotate, "_redeployed", lambda *_: "release")
    rotate.rotate_keys(again(site), YES)
    assert keys(site) == [new.key]
    assert used(site) == new


def test_a_storage_that_drifted_is_not_rotated(site: Environment) -> None:
    client(site.storage, "s3").delete_bucket_policy(Bucket="rotated")
    before = keys(site)
    with pytest.raises(StorageError, match=r"is not as it should be: .* policy .*; run"):
        rotate.rotate_keys(site, YES)
    assert keys(site) == before


def test_destroy_refuses_files_unless_told_and_leaves_nothing_behind(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destroy, "_is_there", lambda *_: False)
    one = used(site)
    s3 = client(site.storage, "s3")
    kept = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=one.bucket, VersioningConfiguration=kept)
    app_client(one).put_object(Bucket=one.bucket, Key="a", Body=b"x")
    for _ in ("there", "deleted, which its old version is not"):
        with pytest.raises(StorageError, match=r"holds 1 objects, old .* add --with-obj"):
            destroy.destroy(site, YES)
        app_client(one).delete_object(Bucket=one.bucket, Key="a")
    assert site.env_file.is_file()
    destroy.destroy(site, YES, with_objects=True)
    assert not site.env_file.exists()
    iam = client(site.storage, "iam")
    assert "rotated" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert "myapp-test-media" not in [user["UserName"] for user in iam.list_users()["Users"]]
    assert destroy.destroy(site, YES, plan_only=True) == 0


def test_a_key_whose_secret_is_wrong_only_here_stays_for_the_site_that_runs(
    site: Environment,
) -> None:
    right = used(site)
    wrong = replace(right, secret=Secret("mistyped")).render()
    found = provider(replace(site, variables={"DEFAULT_STORAGE_DSN": wrong}))
    steps = found.steps()
    assert [
        f"{right.key}, whose secret here is wrong, stays" in s.change.detail for s in steps
    ] == [True]
    for step in steps:
        step.act()
    found.settle()
    assert right.key in keys(site)
    app_client(right).put_object(Bucket=right.bucket, Key="still", Body=b"x")


def test_two_keys_of_which_the_env_file_holds_the_older_are_not_rotated(site: Environment) -> None:
    old = used(site)
    # Seconds count in the server's dates.
    time.sleep(1.1)
    made = client(site.storage, "iam").create_access_key(UserName="myapp-test-media")
    other = made["AccessKey"]["AccessKeyId"]
    with pytest.raises(StorageError, match=r"has the keys .*; delete by hand the one"):
        rotate.rotate_keys(site, YES)
    assert keys(site) == sorted([old.key, other])


def test_what_a_person_wrote_into_the_env_file_survives(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.env_file.open("a") as file:
        file.write("# mine\nMINE=1\n")
    monkeypatch.setattr(rotate, "_redeployed", lambda *_: "release")
    rotate.rotate_keys(again(site), YES)
    assert site.env_file.read_text().endswith("# mine\nMINE=1\n")


def test_a_bucket_with_files_of_others_is_neither_taken_nor_destroyed(site: Environment) -> None:
    below = replace(site.storage, prefix=f"{site.storage.folder}live")
    with pytest.raises(
        StorageError, match=r"files of other environments below \S+/ or around it \("
    ):
        provider(replace(site, name="live", storage=below)).steps()
    whole = replace(site.storage, prefix="")
    neighbour = replace(site, name="live", storage=whole)
    with pytest.raises(StorageError, match=r"files of other environments \(SlipwayMyappTest\)"):
        provider(neighbour).steps()
    with pytest.raises(StorageError, match="files of other environments"):
        provider(neighbour).removal()
