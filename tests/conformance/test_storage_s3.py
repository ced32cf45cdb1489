"""The S3 provider by AWS's own rules (moto answers; nothing leaves this machine)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from slipway import envfile, provision, variables
from slipway.console import Console
from slipway.dsn import S3Dsn
from slipway.environment import Environment, read_variables
from slipway.errors import StorageError
from slipway.plan import Plan
from slipway.settings.storage import Storage
from slipway.storage import provider, s3_reading
from tests.unit.factory import environment

REGION = "eu-central-1"
AWS: Any = boto3
WANTED = Storage(
    "s3", "myapp-live", region=REGION, cors_origins=("https://www.example.com",),
    versioning=True, versions_days=30, uploads_days=7, encryption=True, tls_only=True,
    tags=(("team", "web"),),
)  # fmt: skip


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with mock_aws():
        yield


def converged(wanted: Storage = WANTED) -> Environment:
    """Make everything, and return the environment as the next run reads it."""
    site = environment(name="live", storage=wanted)
    made = provider(site)
    for step in made.steps():
        step.act()
    dsn = made.dsn()
    assert dsn is not None
    return replace(site, variables={"DEFAULT_STORAGE_DSN": dsn.render()})


def changes(site: Environment) -> list[str]:
    return [step.change.line() for step in provider(site).steps()]


def client(service: str) -> Any:
    return AWS.client(service, region_name=REGION)


def test_the_second_run_changes_nothing() -> None:
    assert len(changes(environment(name="live", storage=WANTED))) == 12
    assert changes(converged()) == []


def test_the_bucket_is_made_where_it_was_asked_for_and_closed_to_acls() -> None:
    converged()
    where = client("s3").get_bucket_location(Bucket="myapp-live")["LocationConstraint"]
    assert where == REGION
    block = client("s3").get_public_access_block(Bucket="myapp-live")
    assert block["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True, "IgnorePublicAcls": True,
        "BlockPublicPolicy": False, "RestrictPublicBuckets": False,
    }  # fmt: skip


def test_a_bucket_in_the_first_region_needs_no_location() -> None:
    assert changes(converged(replace(WANTED, region="us-east-1"))) == []


def test_a_private_bucket_has_no_policy_and_blocks_public_access() -> None:
    public = converged()
    private = replace(public, storage=replace(WANTED, public=False))
    assert changes(private) == [
        "~ bucket myapp-live: public access block",
        "~ policy of bucket myapp-live: objects are private, read by signed URLs",
    ]
    for step in provider(private).steps():
        step.act()
    assert changes(private) == []


@pytest.mark.parametrize(
    ("undo", "line"),
    [
        ("policy", "~ policy of bucket myapp-live"),
        ("cors", "~ CORS of bucket myapp-live"),
        ("block", "~ bucket myapp-live"),
        ("ownership", "~ bucket myapp-live"),
        ("lifecycle", "~ lifecycle of bucket myapp-live"),
        ("versioning", "~ versioning of bucket myapp-live"),
        ("tags", "~ tags of bucket myapp-live"),
        ("rights", "~ rights of user myapp-live-media"),
        ("key", "+ key of user myapp-live-media"),
    ],
)
def test_what_somebody_undid_by_hand_is_found_and_mended(undo: str, line: str) -> None:
    site = converged()
    present = site.variables["DEFAULT_STORAGE_DSN"].reveal()
    key, user = present.split("//")[1].split(":")[0], "myapp-live-media"
    {
        "policy": lambda: client("s3").delete_bucket_policy(Bucket="myapp-live"),
        "cors": lambda: client("s3").delete_bucket_cors(Bucket="myapp-live"),
        "block": lambda: client("s3").delete_public_access_block(Bucket="myapp-live"),
        "ownership": lambda: client("s3").put_bucket_ownership_controls(
            Bucket="myapp-live",
            OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}),
        "lifecycle": lambda: client("s3").delete_bucket_lifecycle(Bucket="myapp-live"),
        "versioning": lambda: client("s3").put_bucket_versioning(
            Bucket="myapp-live", VersioningConfiguration={"Status": "Suspended"}),
        "tags": lambda: client("s3").delete_bucket_tagging(Bucket="myapp-live"),
        "rights": lambda: client("iam").put_user_policy(
            UserName=user, PolicyName="slipway-media", PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [
                    {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})),
        "key": lambda: client("iam").delete_access_key(UserName=user, AccessKeyId=key),
    }[undo]()  # fmt: skip
    found = provider(site).steps()
    assert [step.change.line().split(":")[0] for step in found] == [line]
    found[0].act()


def test_a_key_that_still_opens_the_bucket_is_kept() -> None:
    site = converged()
    kept = provider(site).dsn()
    assert isinstance(kept, S3Dsn)
    assert kept.render() == site.variables["DEFAULT_STORAGE_DSN"]
    assert kept.render().reveal().endswith("&acl=bucket-owner-full-control")


def run_storage(site: Environment) -> None:
    """Do what provision does, as far as storage and env file go."""
    made = provider(site)
    values = variables.values(site, made.dsn())
    work = provision.Work(made, made.steps(), values, Plan(()))
    provision._converge(site, work, Console())


def keys_of_the_user() -> list[str]:
    found = client("iam").list_access_keys(UserName="myapp-live-media")["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in found]


@pytest.fixture
def site(tmp_path: Path) -> Environment:
    (tmp_path / "env").mkdir()
    template = Path(provision.__file__).parent.parent / "env" / envfile.TEMPLATE
    (tmp_path / "env" / envfile.TEMPLATE).write_text(template.read_text())
    return environment(name="live", root=tmp_path, storage=WANTED)


@pytest.mark.parametrize("problem", [OSError("disk full"), KeyboardInterrupt()])
def test_a_key_that_does_not_reach_the_env_file_is_deleted_again(
    site: Environment, monkeypatch: pytest.MonkeyPatch, problem: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise problem

    with monkeypatch.context() as failing:
        failing.setattr(envfile, "write", fail)
        with pytest.raises(type(problem)):
            run_storage(site)
    assert keys_of_the_user() == []
    run_storage(site)
    assert len(keys_of_the_user()) == 1


def test_a_key_whose_answer_was_lost_is_deleted_again(site: Environment) -> None:
    kept = converged()
    made = provider(replace(site, variables={}))
    assert len(made.steps()) == 1
    iam = made._keys.iam  # type: ignore[attr-defined]
    create = iam.create_access_key

    def lose(**words: str) -> None:
        create(**words)
        raise KeyboardInterrupt

    iam.create_access_key = lose
    with pytest.raises(KeyboardInterrupt):
        made._create_key()  # type: ignore[attr-defined]
    made.withdraw()
    assert keys_of_the_user() == [kept.variables["DEFAULT_STORAGE_DSN"].reveal()[5:25]]


def test_a_key_in_the_env_file_survives_what_fails_later(
    site: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = envfile.write

    def interrupted(path: Path, text: str) -> None:
        write(path, text)
        raise KeyboardInterrupt

    monkeypatch.setattr(envfile, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_storage(site)
    assert len(keys_of_the_user()) == 1


def test_an_inactive_key_is_replaced_and_deleted(site: Environment) -> None:
    run_storage(site)
    [dead] = keys_of_the_user()
    client("iam").update_access_key(
        UserName="myapp-live-media", AccessKeyId=dead, Status="Inactive"
    )
    again = replace(site, variables=read_variables(site.env_file))
    assert [line.split(":")[0] for line in changes(again)] == ["+ key of user myapp-live-media"]
    run_storage(again)
    assert len(keys_of_the_user()) == 1
    assert keys_of_the_user() != [dead]
    assert changes(replace(site, variables=read_variables(site.env_file))) == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [("SignatureDoesNotMatch", 1), ("InvalidAccessKeyId", 1), ("AccessDenied", 0)],
)
def test_a_key_that_the_server_does_not_take_is_replaced(
    monkeypatch: pytest.MonkeyPatch, code: str, lines: int
) -> None:
    kept = converged()

    class Refusing:
        def list_objects_v2(self, **_: object) -> None:
            raise ClientError({"Error": {"Code": code}}, "ListObjectsV2")

    monkeypatch.setattr(s3_reading, "app_client", lambda _: Refusing())
    assert len(changes(kept)) == lines


def test_a_name_that_somebody_else_owns_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = provider(environment(name="live", storage=WANTED)).steps()
    with monkeypatch.context() as other:
        other.setenv("MOTO_ACCOUNT_ID", "222222222222")
        AWS.client("s3", region_name="us-east-1").create_bucket(Bucket="myapp-live")
    with pytest.raises(StorageError, match=r"choose another storage.bucket"):
        steps[0].act()


def test_without_credentials_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(WANTED, credentials_file=Path("/nonexistent/s3-credentials"))
    with monkeypatch.context() as nobody:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            nobody.delenv(name, raising=False)
        nobody.setenv("AWS_EC2_METADATA_DISABLED", "true")
        nobody.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        with pytest.raises(StorageError, match=r"no credentials of an administrator; set AWS_PROF"):
            provider(environment(storage=WANTED))
        with pytest.raises(StorageError, match=r"does not exist; run 'invoke sandbox.up'"):
            provider(environment(storage=missing))
        with pytest.raises(StorageError, match=r"check storage.profile"):
            provider(environment(storage=replace(WANTED, profile="nobody")))


def test_environments_share_a_bucket_by_prefix() -> None:
    live = converged(replace(WANTED, prefix="live"))
    wanted = replace(WANTED, prefix="test", cors_origins=("https://test.example.com",))
    test = replace(environment(name="test", storage=wanted))
    for step in provider(test).steps():
        step.act()
    assert changes(live) == []
    assert [line for line in changes(test) if "key " not in line] == []
    private = replace(test, storage=replace(wanted, public=False))
    for step in provider(private).steps():
        step.act()
    assert changes(live) == []
    statements = json.loads(client("s3").get_bucket_policy(Bucket="myapp-live")["Policy"])
    sids = [one["Sid"] for one in statements["Statement"]]
    assert sids == ["SlipwayMyappLive", "SlipwayMyappLiveTls", "SlipwayMyappTestTls"]


def test_an_adopted_bucket_keeps_its_other_statements_and_rules() -> None:
    converged()
    bucket = client("s3")
    other = {"Sid": "Backup", "Effect": "Allow", "Principal": {"AWS": "123456789012"},
             "Action": "s3:GetObject", "Resource": "arn:aws:s3:::myapp-live/*"}  # fmt: skip
    policy = {"Version": "2012-10-17", "Statement": [other]}
    bucket.put_bucket_policy(Bucket="myapp-live", Policy=json.dumps(policy))
    rule = {"ID": "theirs", "AllowedOrigins": ["https://they.example"], "AllowedMethods": ["PUT"]}
    bucket.put_bucket_cors(Bucket="myapp-live", CORSConfiguration={"CORSRules": [rule]})
    converged()
    found = json.loads(bucket.get_bucket_policy(Bucket="myapp-live")["Policy"])
    assert [one["Sid"] for one in found["Statement"]] == [
        "Backup", "SlipwayMyappLive", "SlipwayMyappLiveTls",
    ]  # fmt: skip
    rules = bucket.get_bucket_cors(Bucket="myapp-live")["CORSRules"]
    origins = [rule["AllowedOrigins"] for rule in rules]
    assert origins == [["https://www.example.com"], ["https://they.example"]]


def test_what_would_lose_data_is_marked() -> None:
    site = converged()
    shorter = replace(site, storage=replace(WANTED, versions_days=10))
    off = replace(site, storage=replace(WANTED, versioning=False))
    longer = replace(site, storage=replace(WANTED, versions_days=300))

    def losses(wanted: Environment) -> list[str]:
        return [step.change.loses for step in provider(wanted).steps() if step.change.loses]

    assert losses(shorter) == [
        "old versions were kept 30 days; those older than 10 days are deleted"
    ]
    assert losses(off) == ["what is overwritten or deleted from then on is lost at once"]
    assert (losses(longer), losses(site)) == ([], [])
    client("s3").delete_bucket_lifecycle(Bucket="myapp-live")
    assert losses(site) == ["old versions were kept for ever; those older than 30 days are deleted"]


def test_a_key_that_a_killed_run_made_is_found_and_deleted(site: Environment) -> None:
    made = provider(site)
    steps = made.steps()
    for step in steps:
        step.act()  # and then the machine is switched off, before the env file is written
    [orphan] = keys_of_the_user()
    assert f"- key {orphan} of user myapp-live-media: left by an interrupted run" in changes(site)
    run_storage(site)
    [kept] = keys_of_the_user()
    assert kept != orphan
    assert kept in site.env_file.read_text()
    assert changes(replace(site, variables=read_variables(site.env_file))) == []


def test_a_new_key_replaces_the_old_one_when_told() -> None:
    site = converged()
    made = provider(site)
    assert made.steps() == []
    made.renew()
    assert len(keys_of_the_user()) == 2
    made.retire()
    used = made.dsn()
    assert isinstance(used, S3Dsn)
    assert keys_of_the_user() == [used.key]


def test_removal_leaves_nothing_behind_and_nothing_of_others_is_touched() -> None:
    # moto takes the refusal of plain http for a refusal of everything.
    wanted = replace(WANTED, tls_only=False)
    live = converged(replace(wanted, prefix="live"))
    test = environment(name="test", storage=replace(wanted, prefix="test"))
    for step in provider(test).steps():
        step.act()
    for key in ("live/a", "test/a", "test/b"):
        for body in (b"1", b"2"):
            client("s3").put_object(Bucket="myapp-live", Key=key, Body=body)
    assert provider(test).holds() == 2
    for step in provider(test).removal():
        step.act()
    assert changes(live) == []
    found = client("s3").list_object_versions(Bucket="myapp-live")["Versions"]
    assert {one["Key"] for one in found} == {"live/a"}
    users = [user["UserName"] for user in client("iam").list_users()["Users"]]
    assert users == ["myapp-live-media"]
    for step in provider(live).removal():
        step.act()
    assert client("s3").list_buckets()["Buckets"] == []
    assert client("iam").list_users()["Users"] == []
    assert provider(live).removal() == []
