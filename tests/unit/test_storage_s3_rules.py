from dataclasses import replace
from typing import Any

from slipway.settings.storage import Storage
from slipway.storage import s3_rules

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
