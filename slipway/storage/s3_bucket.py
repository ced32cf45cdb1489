"""Make a bucket and put its rules; each call may be repeated without harm."""

import json
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from slipway.settings.storage import Storage
from slipway.storage import s3_keeping, s3_rules
from slipway.storage.s3_client import UNSUPPORTED, Api, absent, code_of
from slipway.storage.s3_reading import Reader


class Bucket:
    """Put what is wanted of one bucket; `own` marks what is this environment's own in it."""

    def __init__(self, storage: Storage, own: str, s3: Api, reader: Reader) -> None:
        self.storage, self.own, self.s3, self.reader = storage, own, s3, reader
        self.name: dict[str, Any] = {"Bucket": storage.bucket}

    def create(self) -> None:
        """Make the bucket; us-east-1 is the region that must not be named."""
        options: dict[str, Any] = {}
        if self.storage.region != "us-east-1" and not self.storage.endpoint:
            options = {"CreateBucketConfiguration": {"LocationConstraint": self.storage.region}}
        try:
            self.s3.create_bucket(**self.name, **options)
        except ClientError as error:
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise

    def ownership(self) -> None:
        """Switch ACLs off: objects belong to the bucket's owner."""
        rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        self.s3.put_bucket_ownership_controls(**self.name, OwnershipControls=rules)

    def access_block(self, shared: bool) -> None:
        """Put the public access block."""
        block = s3_rules.access_block(self.storage, shared)
        self._try(self.s3.put_public_access_block, PublicAccessBlockConfiguration=block)

    def policy(self) -> None:
        """Put the own statements, and leave those of others."""
        # Read again: another environment may have put its own statement since.
        self._put_policy(s3_rules.policy(self.reader.policy(), self.storage, self.own))

    def cors(self) -> None:
        """Put the own CORS rule, and leave those of others."""
        rules = s3_rules.with_cors(self.reader.cors(), s3_rules.cors(self.storage, self.own))
        self._try(self.s3.put_bucket_cors, CORSConfiguration={"CORSRules": rules})

    def versioning(self) -> None:
        """Turn versioning on or off."""
        status = "Enabled" if self.storage.versioning else "Suspended"
        self._try(self.s3.put_bucket_versioning, VersioningConfiguration={"Status": status})

    def lifecycle(self) -> None:
        """Put the own lifecycle rule, and leave those of others."""
        self._put_lifecycle(s3_keeping.lifecycle(self.storage, self.own))

    def said_of_lifecycle(self) -> str:
        """Return what the lifecycle rule does, in a few words."""
        storage = self.storage
        old = storage.versioning and storage.versions_days
        said = [f"old versions kept {storage.versions_days} days"] if old else []
        if storage.uploads_days:
            said.append(f"unfinished uploads {storage.uploads_days} days")
        return ", ".join(said) or "no rule"

    def encryption(self) -> None:
        """Let the server encrypt what is written from now on."""
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        self._try(
            self.s3.put_bucket_encryption,
            ServerSideEncryptionConfiguration={"Rules": [rule]},
        )

    def tags(self) -> None:
        """Put the wanted tags among those that are there."""
        wanted = s3_keeping.with_tags(self.reader.tags(), self.storage)
        tags = [{"Key": name, "Value": value} for name, value in wanted.items()]
        self._try(self.s3.put_bucket_tagging, Tagging={"TagSet": tags})

    def rights(self, iam: Api, user: str) -> None:
        """Put what the site's key may do."""
        iam.put_user_policy(
            UserName=user,
            PolicyName=s3_rules.POLICY_NAME,
            PolicyDocument=json.dumps(s3_rules.app_rights(self.storage)),
        )

    def remove(self, own: str) -> None:
        """Take the own rules away, and the bucket too if nothing of others is in it."""
        if not self.storage.prefix and not self._others():
            absent(self.s3.delete_bucket, **self.name)
            return
        self._put_policy(s3_rules.without_own(self.reader.policy(), self.storage, own))
        self._put_lifecycle(None)
        others = [rule for rule in self.reader.cors() or [] if rule.get("ID") != own]
        if others:
            self._try(self.s3.put_bucket_cors, CORSConfiguration={"CORSRules": others})
        else:
            self._try(self.s3.delete_bucket_cors)
        if not self._others():
            absent(self.s3.delete_bucket, **self.name)

    def _others(self) -> bool:
        """Tell whether somebody else has something in the bucket."""
        found = absent(self.s3.list_object_versions, **self.name, MaxKeys=1) or {}
        listed = absent(self.s3.list_objects_v2, **self.name, MaxKeys=1) or {}
        policy = s3_rules.without_own(self.reader.policy(), self.storage, self.own)
        there = found.get("Versions") or found.get("DeleteMarkers") or listed.get("Contents")
        rules = [*(self.reader.cors() or ()), *(self.reader.lifecycle() or ())]
        return bool(there or policy or s3_rules.marked(rules, self.own))

    def _put_policy(self, wanted: s3_rules.Document | None) -> None:
        if wanted is None:
            self._try(partial(absent, self.s3.delete_bucket_policy))
        else:
            self._try(self.s3.put_bucket_policy, Policy=json.dumps(wanted))

    def _put_lifecycle(self, wanted: s3_rules.Document | None) -> None:
        rules = s3_keeping.with_lifecycle(self.reader.lifecycle(), wanted, self.own)
        if rules:
            self._try(
                self.s3.put_bucket_lifecycle_configuration,
                LifecycleConfiguration={"Rules": rules},
            )
        else:
            self._try(self.s3.delete_bucket_lifecycle)

    def _try(self, put: Any, **arguments: Any) -> None:
        """Put a rule; a server that has no such thing is none that fails, the next plan says so."""
        try:
            put(**self.name, **arguments)
        except ClientError as error:
            if code_of(error) not in UNSUPPORTED:
                raise
