from dataclasses import replace
from typing import Any

import pytest

from slipway.settings.storage import Storage
from slipway.storage import s3_keeping, s3_rules

SHOP = Storage("s3", "shop", prefix="media", cors_origins=("https://a", "https://b"))
NAME = s3_rules.own_name("myapp-test")
OTHER: s3_rules.Document = {
    "Sid": "SlipwayMyappLive", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::shop/live/*",
}  # fmt: skip


def test_the_public_reads_objects_and_lists_nothing() -> None:
    statement = s3_rules.public_read(SHOP, NAME)
    assert statement["Sid"] == "SlipwayMyappTest"
    assert statement["Action"] == "s3:GetObject"
    assert statement["Resource"] == "arn:aws:s3:::shop/media/*"


def test_the_sites_key_cannot_administer_the_bucket() -> None:
    granted = {action for one in s3_rules.app_rights(SHOP)["Statement"] for action in one["Action"]}
    assert not any(
        word in action for action in granted for word in ("Policy", "Acl", "iam:", "s3:*")
    )
    assert "s3:DeleteBucket" not in granted


def test_policies_are_compared_by_meaning() -> None:
    wanted = s3_rules.app_rights(SHOP)
    shuffled: dict[str, Any] = {
        "Version": "2012-10-17",
        "Statement": [
            {**one, "Action": list(reversed(one["Action"])), "Resource": [one["Resource"]]}
            for one in reversed(wanted["Statement"])
        ],
    }
    assert s3_rules.same_policy(wanted, shuffled)
    assert not s3_rules.same_policy(wanted, None)
    shuffled["Statement"][0]["Action"].append("s3:*")
    assert not s3_rules.same_policy(wanted, shuffled)
    returned = {"Statement": [{**s3_rules.public_read(SHOP, NAME), "Principal": {"AWS": "*"}}]}
    assert s3_rules.same_own(returned, SHOP, NAME)


def test_statements_of_others_stay() -> None:
    made = s3_rules.policy({"Id": "x", "Statement": OTHER}, SHOP, NAME)
    assert made == {
        "Version": s3_rules.VERSION, "Id": "x",
        "Statement": [OTHER, s3_rules.public_read(SHOP, NAME)],
    }  # fmt: skip
    assert s3_rules.same_own(made, SHOP, NAME)
    assert not s3_rules.same_own({"Statement": [OTHER]}, SHOP, NAME)


def test_a_private_environment_takes_only_its_own_statement_away() -> None:
    private, own = replace(SHOP, public=False), s3_rules.public_read(SHOP, NAME)
    left = s3_rules.policy({"Statement": [own, OTHER]}, private, NAME)
    assert left is not None
    assert left["Statement"] == [OTHER]
    assert s3_rules.same_own(left, private, NAME)
    assert s3_rules.policy({"Statement": [own]}, private, NAME) is None
    assert s3_rules.shared(left, private, NAME)
    assert s3_rules.access_block(private, shared=True) == s3_rules.access_block(SHOP)


def test_the_former_statement_of_the_same_objects_is_ones_own() -> None:
    former = {**s3_rules.public_read(SHOP, NAME), "Sid": "PublicRead"}
    assert s3_rules.same_own({"Statement": [former]}, SHOP, NAME)
    foreign = {**former, "Resource": "arn:aws:s3:::shop/live/*"}
    assert not s3_rules.same_own({"Statement": [foreign]}, SHOP, NAME)


def test_with_a_prefix_the_key_lists_below_it_only() -> None:
    listing, *_ = s3_rules.app_rights(SHOP)["Statement"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["media/*"]}}
    returned = {**listing, "Condition": {"StringLike": {"s3:prefix": "media/*"}}}
    assert s3_rules.same_policy({"Statement": listing}, {"Statement": returned})
    whole, *_ = s3_rules.app_rights(replace(SHOP, prefix=""))["Statement"]
    assert "Condition" not in whole


def test_the_own_cors_rule_is_compared_by_meaning() -> None:
    wanted = s3_rules.cors(SHOP, NAME)
    shuffled = {**wanted, "AllowedOrigins": ["https://b", "https://a"]}
    other = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}
    without = {name: value for name, value in shuffled.items() if name != "ID"}
    assert s3_rules.same_cors([other, shuffled], wanted)
    assert s3_rules.same_cors([without], wanted)
    assert not s3_rules.same_cors(None, wanted)
    changed = {**wanted, "AllowedOrigins": ["*"]}
    assert not s3_rules.same_cors([changed], wanted)
    assert s3_rules.with_cors([other, changed, without], wanted) == [wanted, other]


def test_the_access_block_follows_public() -> None:
    assert s3_rules.access_block(SHOP)["BlockPublicPolicy"] is False
    private = s3_rules.access_block(Storage("s3", "shop", public=False))
    assert set(private.values()) == {True}


def test_outside_of_aws_uploads_are_not_blocked_for_their_acl() -> None:
    assert s3_rules.access_block(SHOP)["BlockPublicAcls"] is True
    elsewhere = s3_rules.access_block(replace(SHOP, endpoint="https://s3.example.com"))
    assert elsewhere["BlockPublicAcls"] is False
    assert elsewhere["IgnorePublicAcls"] is True


def rule(days: int, prefix: str = "", status: str = "Enabled") -> s3_rules.Document:
    expiration = {"NoncurrentDays": days}
    return {
        "ID": "theirs", "Status": status, "Filter": {"Prefix": prefix},
        "NoncurrentVersionExpiration": expiration,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("versioning", "rules", "kept"),
    [
        (None, [], ""),
        ("Enabled", [], "for ever"),
        ("Suspended", [], "for ever"),
        ("Enabled", [rule(7)], ""),
        ("Enabled", [rule(90)], "90 days"),
        ("Enabled", [rule(7, "logs/")], "for ever"),
        ("Enabled", [rule(7, "media/")], ""),
        ("Enabled", [rule(7, status="Disabled")], "for ever"),
    ],
)
def test_what_a_shorter_retention_deletes_is_said(
    versioning: str | None, rules: list[s3_rules.Document], kept: str
) -> None:
    state = s3_rules.State(bucket=True, versioning=versioning, lifecycle=rules)
    said = s3_keeping.loss_by_lifecycle(state, rule(30), SHOP)
    assert said == (kept and f"old versions were kept {kept}; those older than 30 days are deleted")


@pytest.mark.parametrize(
    ("prefix", "theirs", "found"),
    [("", "live", True), ("media", "live", False), ("live", "live/test", True),
     ("live/test", "live", True), ("liver", "live", False), ("live", "", True)],
)  # fmt: skip
def test_prefixes_that_lie_in_each_other_are_one_anothers(
    prefix: str, theirs: str, found: bool
) -> None:
    other = s3_rules.public_read(replace(SHOP, prefix=theirs), "SlipwayMyappLive")
    state = s3_rules.State(policy={"Statement": [other]})
    storage = replace(SHOP, prefix=prefix)
    assert s3_rules.neighbours(state, storage, NAME) == ["SlipwayMyappLive"] * found
    ruled = s3_rules.State(
        lifecycle=[{**rule(1, f"{theirs}/" if theirs else ""), "ID": "SlipwayX"}]
    )
    assert s3_rules.neighbours(ruled, storage, NAME) == ["SlipwayX"] * found
