"""Say what a bucket should look like, and how it differs (pure).

The actions are those of the AWS service authorisation reference for Amazon S3. Wildcards
stand where compatible servers know the family but not each member.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.settings.storage import Storage

Document = Mapping[str, Any]
POLICY_NAME = "slipway-media"
MARK = "Slipway"
FORMER_SID = "PublicRead"
VERSION = "2012-10-17"


@dataclass(frozen=True, slots=True)
class State:
    """Hold what a server says of a bucket and of the user that belongs to it.

    None stands for absent; `unsupported` names the parts that the server has not.
    """

    bucket: bool = False
    access_block: Document | None = None
    policy: Document | None = None
    cors: list[Document] | None = None
    ownership: str | None = None
    versioning: str | None = None
    lifecycle: list[Document] | None = None
    encryption: str | None = None
    tags: Document | None = None
    iam: bool = True
    unsupported: frozenset[str] = frozenset()
    user: bool = False
    user_policy: Document | None = None
    keys: frozenset[str] = frozenset()
    active: frozenset[str] = frozenset()
    key_works: bool = False


def objects(storage: Storage) -> str:
    """Return the ARN of all objects under the prefix."""
    folder = f"{storage.prefix}/" if storage.prefix else ""
    return f"arn:aws:s3:::{storage.bucket}/{folder}*"


def own_name(stack: str) -> str:
    """Return what marks an environment's own statement and rule in a shared bucket."""
    words = re.split(r"[^A-Za-z0-9]+", stack)
    return MARK + "".join(word.capitalize() for word in words)


def public_read(storage: Storage, name: str) -> Document:
    """Return the own statement: anybody reads an object, nobody lists."""
    return {
        "Sid": name,
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": objects(storage),
    }


def tls_only(storage: Storage, name: str) -> Document:
    """Return the own statement that refuses requests without TLS."""
    return {
        "Sid": f"{name}Tls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": objects(storage),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def statements(storage: Storage, name: str) -> list[Document]:
    """Return the own statements of the bucket policy, as wanted."""
    public = [public_read(storage, name)] if storage.public else []
    return [*public, *([tls_only(storage, name)] if storage.tls_only else [])]


def policy(found: Document | None, storage: Storage, name: str) -> Document | None:
    """Return the bucket policy with the own statement as wanted and all others as they are.

    None stands for a policy in which nothing is left.
    """
    _, others = _divided(found, storage, name)
    own = statements(storage, name)
    if not (others or own):
        return None
    return {"Version": VERSION, **(found or {}), "Statement": [*others, *own]}


def without_own(found: Document | None, storage: Storage, name: str) -> Document | None:
    """Return the bucket policy without the own statements; None where nothing is left."""
    _, others = _divided(found, storage, name)
    return {**(found or {}), "Statement": others} if others else None


def same_own(found: Document | None, storage: Storage, name: str) -> bool:
    """Tell whether the own part of a bucket policy is as wanted."""
    own, _ = _divided(found, storage, name)
    return same_policy({"Statement": own}, {"Statement": statements(storage, name)})


def shared(found: Document | None, storage: Storage, name: str) -> bool:
    """Tell whether others let the public read something in the bucket."""
    _, others = _divided(found, storage, name)
    return any(
        one.get("Effect") == "Allow" and one.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        for one in others
    )


def _divided(
    found: Document | None, storage: Storage, name: str
) -> tuple[list[Document], list[Document]]:
    """Return the statements that are this environment's own, and those of others."""
    own: list[Document] = []
    others: list[Document] = []
    for one in _listed((found or {}).get("Statement", [])):
        former = one.get("Sid") == FORMER_SID and _listed(one.get("Resource")) == [objects(storage)]
        (own if former or one.get("Sid") in {name, f"{name}Tls"} else others).append(one)
    return own, others


def app_rights(storage: Storage) -> Document:
    """Return what the site's own key may do: this bucket's objects, and nothing else."""
    # `undo-media` copies an earlier version over the present one.
    actions = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"]
    return {
        "Version": VERSION,
        "Statement": [
            *_listing(storage),
            {
                "Effect": "Allow",
                "Action": [*actions, "s3:AbortMultipartUpload", "s3:List*"],
                "Resource": objects(storage),
            },
        ],
    }


def _listing(storage: Storage) -> list[Document]:
    bucket = {"Effect": "Allow", "Resource": f"arn:aws:s3:::{storage.bucket}"}
    if not storage.prefix:
        return [{**bucket, "Action": ["s3:List*", "s3:GetBucketLocation"]}]
    below = {"StringLike": {"s3:prefix": [f"{storage.prefix}/*"]}}
    # AWS tells no prefix where unfinished uploads are listed; SeaweedFS does not know that action.
    unfinished = [] if storage.endpoint else ["s3:ListBucketMultipartUploads"]
    return [
        {**bucket, "Action": ["s3:List*"], "Condition": below},
        {**bucket, "Action": ["s3:GetBucketLocation", *unfinished]},
    ]


def cors(storage: Storage, name: str) -> Document:
    """Return the own CORS rule: the site's pages may read."""
    return {
        "ID": name,
        "AllowedOrigins": list(storage.cors_origins),
        "AllowedMethods": ["GET", "HEAD"],
        "AllowedHeaders": ["*"],
        "MaxAgeSeconds": 3600,
    }


def neighbours(state: State, storage: Storage, name: str) -> list[str]:
    """Name the other environments whose files would be this one's too, or the other way round.

    They have marked something in the bucket as theirs; without a prefix all of it is one's own.
    """
    own, folder = {name, f"{name}Tls"}, storage.folder
    found = [(one.get("Sid"), _folders(one)) for one in _listed(_statement(state))]
    found += [(rule.get("ID"), [below(rule)]) for rule in state.lifecycle or ()]
    found += [(rule.get("ID"), []) for rule in state.cors or ()]
    return sorted(
        {
            str(mark)
            for mark, theirs in found
            if str(mark).startswith(MARK) and mark not in own
            if not folder or any(one.startswith(folder) or folder.startswith(one) for one in theirs)
        }
    )


def marked(rules: Iterable[Document], name: str) -> list[str]:
    """Name the other environments that have marked any of these rules as theirs."""
    marks = {str(rule.get("ID")) for rule in rules}
    return sorted(mark for mark in marks if mark.startswith(MARK) and mark != name)


def _statement(state: State) -> Any:
    return (state.policy or {}).get("Statement", [])


def _folders(statement: Document) -> list[str]:
    """Return the folders whose objects a statement is about."""
    resources = map(str, _listed(statement.get("Resource", [])))
    return [one.partition("/")[2].removesuffix("*") for one in resources if "/" in one]


def below(rule: Document) -> str:
    """Return the folder that a lifecycle rule is about."""
    return str(rule.get("Filter", {}).get("Prefix", rule.get("Prefix", "")))


def with_cors(found: list[Document] | None, wanted: Document) -> list[Document]:
    """Return the CORS rules with the own one as wanted, and all others as they are."""
    # The first rule that fits a request answers it: the own one must not hide behind others.
    others = [one for one in found or [] if not _own_rule(one, wanted)]
    return [wanted, *others]


def access_block(storage: Storage, shared: bool = False) -> Document:
    """Return the public access block: never ACLs; a public policy only where asked for.

    `shared` says that others make their part of the bucket public.
    """
    closed = not (storage.public or shared)
    return {
        # Ceph's gateway (before 2026, ceph/ceph#64290) takes every upload for one with a public
        # ACL and refuses it; ignoring such ACLs closes as much.
        "BlockPublicAcls": not storage.endpoint,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": closed,
        "RestrictPublicBuckets": closed,
    }


def same_policy(one: Document | None, other: Document | None) -> bool:
    """Tell whether two policies grant the same, whatever their order and notation."""
    return _statements(one) == _statements(other)


def same_cors(found: list[Document] | None, wanted: Document) -> bool:
    """Tell whether the own CORS rule is as wanted, whatever the others allow."""
    own = [_rule(one) for one in found or [] if _own_rule(one, wanted)]
    return own == [_rule(wanted)]


def _own_rule(rule: Document, wanted: Document) -> bool:
    """Tell whether a rule is the own one; servers that keep no ID are known by its meaning."""
    return rule.get("ID") == wanted["ID"] or _rule(rule) == _rule(wanted)


def _rule(rule: Document) -> Document:
    return {
        name: sorted(v) if isinstance(v, list) else v for name, v in rule.items() if name != "ID"
    }


def _statements(document: Document | None) -> frozenset[tuple[Any, ...]]:
    statements = _listed((document or {}).get("Statement", []))
    return frozenset(
        (
            one.get("Effect"),
            repr(one.get("Principal", "")).replace("{'AWS': '*'}", "'*'"),
            frozenset(_listed(one.get("Action", []))),
            frozenset(_listed(one.get("Resource", []))),
            repr(_condition(one.get("Condition", {}))),
        )
        for one in statements
    )


def _condition(found: Mapping[str, Document]) -> list[Any]:
    return sorted(
        (operator, key, sorted(map(str, _listed(value))))
        for operator, keys in found.items()
        for key, value in keys.items()
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
