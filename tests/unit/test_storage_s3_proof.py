from typing import Any

import pytest
from botocore.exceptions import ClientError

from slipway.dsn import S3Dsn
from slipway.errors import StorageError
from slipway.secrets import Secret
from slipway.storage import s3_proof

USED = S3Dsn("K", Secret("S"), "shop", "eu-west-1")


class Bucket:
    """Answer the administrator's calls with the given codes; an empty code allows."""

    def __init__(self, reading: tuple[str, int], writing: tuple[str, int]) -> None:
        self.answers = {"get": reading, "put": writing}

    def get_bucket_policy(self, **_: str) -> None:
        self._answer("get")

    def put_bucket_policy(self, **_: str) -> None:
        self._answer("put")

    def _answer(self, which: str) -> None:
        code, status = self.answers[which]
        answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        if code:
            raise ClientError(answer, which)


DENIED = ("AccessDenied", 403)


def test_a_key_without_rights_over_the_bucket_passes() -> None:
    s3_proof._refused_to_the_key(Bucket(DENIED, DENIED), USED)


@pytest.mark.parametrize(
    "bucket",
    [
        Bucket(("", 200), DENIED),
        Bucket(("NoSuchBucketPolicy", 404), DENIED),
        Bucket(DENIED, ("MalformedPolicy", 400)),
    ],
)
def test_a_key_that_may_read_or_write_policies_is_found(bucket: Bucket) -> None:
    with pytest.raises(StorageError, match="may administer its bucket"):
        s3_proof._refused_to_the_key(bucket, USED)


def test_a_server_in_trouble_is_no_proof() -> None:
    with pytest.raises(ClientError):
        s3_proof._refused_to_the_key(Bucket(("InternalError", 500), DENIED), USED)
