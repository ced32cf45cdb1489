"""Ask a server what a bucket and its user look like: all questions at the same time."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from slipway.dsn import S3Dsn
from slipway.settings.storage import Storage
from slipway.storage import s3_rules
from slipway.storage.s3_client import NO_IAM, UNSUPPORTED, Api, absent, app_client, code_of
from slipway.storage.s3_rules import Document, State

DEAD_KEY = {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
UNKNOWN = "unsupported"


class Reader:
    """Read one bucket and one user; parts that the server has not are named, not raised."""

    def __init__(self, storage: Storage, user: str, s3: Api, iam: Api) -> None:
        self.storage, self.user, self.s3, self.iam = storage, user, s3, iam
        self.bucket = {"Bucket": storage.bucket}
        self._unsupported: set[str] = set()

    def state(self, present: S3Dsn | None) -> State:
        """Read everything; raises what boto3 raises."""
        # First alone: what is wrong with address or credentials is told once, and at once.
        found = absent(self.s3.list_objects_v2, **self.bucket, MaxKeys=1) is not None
        keys, known = self.keys, self._user
        questions: dict[str, Callable[[], Any]] = {
            "policy": self.policy, "cors": self.cors, "lifecycle": self.lifecycle,
            "versioning": self._versioning, "encryption": self._encryption, "tags": self.tags,
            "access_block": self._access_block, "ownership": self._ownership,
            "user": known, "user_policy": self._user_policy, "keys": keys,
            "key_works": lambda: self.key_works(present),
        }  # fmt: skip
        with ThreadPoolExecutor(len(questions)) as pool:
            asked = {name: pool.submit(ask) for name, ask in questions.items()}
            answers = {name: one.result() for name, one in asked.items()}
        statuses = answers.pop("keys")
        return State(
            bucket=found,
            keys=frozenset(statuses),
            active=frozenset(key for key, status in statuses.items() if status != "Inactive"),
            iam="iam" not in self._unsupported,
            unsupported=frozenset(self._unsupported),
            **answers,
        )

    def policy(self) -> Document | None:
        """Return the bucket policy."""
        found = self._part("policy", self.s3.get_bucket_policy)
        return dict(json.loads(found["Policy"])) if found else None

    def cors(self) -> list[Document] | None:
        """Return the CORS rules."""
        found = self._part("cors", self.s3.get_bucket_cors)
        return list(found["CORSRules"]) if found else None

    def lifecycle(self) -> list[Document] | None:
        """Return the lifecycle rules."""
        found = self._part("lifecycle", self.s3.get_bucket_lifecycle_configuration)
        return list(found["Rules"]) if found else None

    def tags(self) -> Document | None:
        """Return the bucket's tags."""
        found = self._part("tags", self.s3.get_bucket_tagging)
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]} if found else None

    def keys(self) -> dict[str, str]:
        """Return the user's keys and their status."""
        found = self._of_user(self.iam.list_access_keys) or {}
        return {
            key["AccessKeyId"]: key.get("Status", "") for key in found.get("AccessKeyMetadata", ())
        }

    def key_works(self, present: S3Dsn | None) -> bool:
        """Tell whether the server takes the signature of a DSN's key."""
        if present is None:
            return False
        try:
            app_client(present).list_objects_v2(
                **self.bucket, Prefix=self.storage.folder, MaxKeys=1
            )
        except ClientError as error:
            # Rights may be missing yet; they have a step of their own.
            return code_of(error) not in DEAD_KEY
        return True

    def _versioning(self) -> str | None:
        found = self._part("versioning", self.s3.get_bucket_versioning)
        return (found or {}).get("Status")

    def _encryption(self) -> str | None:
        found = self._part("encryption", self.s3.get_bucket_encryption)
        rules = found["ServerSideEncryptionConfiguration"]["Rules"] if found else []
        first = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
        return first.get("SSEAlgorithm")

    def _access_block(self) -> Document:
        found = self._part("public access block", self.s3.get_public_access_block)
        return dict((found or {}).get("PublicAccessBlockConfiguration", {}))

    def _ownership(self) -> str | None:
        if self.storage.endpoint:
            return None  # only AWS needs it; elsewhere no ACL is ever sent
        found = self._part("ownership", self.s3.get_bucket_ownership_controls)
        return found["OwnershipControls"]["Rules"][0]["ObjectOwnership"] if found else None

    def _user(self) -> bool:
        return self._of_user(self.iam.get_user) is not None

    def _user_policy(self) -> Document | None:
        found = self._of_user(self.iam.get_user_policy, PolicyName=s3_rules.POLICY_NAME)
        return found["PolicyDocument"] if found else None

    def _part(self, name: str, ask: Any) -> Any:
        try:
            return absent(ask, **self.bucket)
        except ClientError as error:
            if code_of(error) not in UNSUPPORTED:
                raise
            self._unsupported.add(name)
        return None

    def _of_user(self, ask: Any, **arguments: str) -> Any:
        try:
            return absent(ask, UserName=self.user, **arguments)
        except ClientError as error:
            if code_of(error) not in UNSUPPORTED | (NO_IAM if self.storage.endpoint else set()):
                raise
            self._unsupported.add("iam")
        return None
