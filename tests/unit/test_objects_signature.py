from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from slipway.objects import signature

CONTENT = "ab" * 32
KEY, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY=", "eu-west-3"


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/bucket/", {"list-type": "2", "prefix": "a b/ü+", "encoding-type": "url"}),
        ("GET", "/bucket/", {"uploads": "", "prefix": ""}),
        ("DELETE", "/bucket/a%20b/%C3%BC.txt", {"uploadId": "a/b+c=d&e~f"}),
        ("GET", "/", {"continuation-token": "1/x+y==", "max-keys": "1000"}),
    ],
)
def test_signatures_equal_those_of_the_aws_sdk(
    method: str, path: str, query: dict[str, str]
) -> None:
    now = datetime.now(UTC)
    more = {"content-md5": "abc==", "x-amz-meta-mtime": "1.5", "cache-control": "max-age=1,  x"}
    ours = signature.signed_headers(
        method, "s3.example.com", path, signature.query_string(query),
        key=KEY, secret=SECRET, region=REGION, now=now, content=CONTENT, more=more,
    )  # fmt: skip
    url = f"https://s3.example.com{path}?{signature.query_string(query)}"
    request = AWSRequest(method=method, url=url, headers={"host": "s3.example.com", **more})
    request.context["timestamp"] = ours["x-amz-date"]
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    request.headers["X-Amz-Content-SHA256"] = CONTENT
    signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    assert ours["authorization"].endswith(signer.signature(to_sign, request))
