import base64
import hashlib
import hmac

from slipway.objects.azure_signature import authorization, query_string

KEY = base64.b64encode(b"key").decode()


def test_the_string_to_sign_is_that_of_the_specification() -> None:
    headers = {
        "x-ms-version": "2021-12-02",
        "x-ms-date": "Tue, 24 Nov 2026 16:00:00 GMT",
        "content-length": "5",
        "content-md5": "md5",
    }
    query = {"comp": "block", "blockid": "AA=="}
    text = (
        "PUT\n\n\n5\nmd5\n\n\n\n\n\n\n\n"
        "x-ms-date:Tue, 24 Nov 2026 16:00:00 GMT\nx-ms-version:2021-12-02\n"
        "/me/box/a%20b.txt\nblockid:AA==\ncomp:block"
    )
    wanted = base64.b64encode(hmac.new(b"key", text.encode(), hashlib.sha256).digest()).decode()
    said = authorization("me", KEY, "PUT", "/box/a%20b.txt", query, headers)
    assert said == f"SharedKey me:{wanted}"


def test_an_empty_body_has_no_length() -> None:
    one = authorization("me", KEY, "PUT", "/box/a", {}, {"content-length": "0"})
    assert one == authorization("me", KEY, "PUT", "/box/a", {}, {})


def test_a_signature_stands_behind_the_query() -> None:
    assert query_string({"comp": "list"}, "sv=1&sig=x%2F") == "comp=list&sv=1&sig=x%2F"
    assert query_string({}, "sig=x") == "sig=x"
    assert query_string({"a": "b c"}) == "a=b+c"
