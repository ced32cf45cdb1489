from datetime import UTC, datetime

import pytest

from slipway.errors import StorageError
from slipway.objects import listing

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>b</Name><IsTruncated>{more}</IsTruncated><EncodingType>url</EncodingType>
  <NextContinuationToken>token/+=</NextContinuationToken>
  <Contents><Key>site/</Key><Size>0</Size><ETag>"d41d"</ETag></Contents>
  <Contents><Key>site/a%2Bb+c%2520d.txt</Key><Size>3</Size><ETag>&quot;abc-2&quot;</ETag></Contents>
  <Contents><Key>site/odd%2F%2Fkey%0Awith%5Call</Key><Size>0</Size><ETag>"d41d"</ETag></Contents>
</ListBucketResult>"""


def test_keys_are_decoded_and_relative_to_the_folder() -> None:
    page = listing.objects(PAGE.format(more="false"), "site/")
    assert page.objects == [
        listing.Object("a+b c%20d.txt", 3, "abc-2"),
        listing.Object("odd//key\nwith\\all", 0, "d41d"),
    ]
    assert page.token == ""


def test_what_a_console_put_in_the_folders_place_is_left_out() -> None:
    assert "" not in [there.name for there in listing.objects(PAGE, "site/").objects]
    assert listing.objects(PAGE, "").objects[0].name == "site/"


def test_a_cut_page_names_the_next() -> None:
    assert listing.objects(PAGE.format(more="true"), "").token == "token/+="


def test_a_cut_page_that_names_no_next_one_is_not_taken_for_the_last() -> None:
    body = PAGE.format(more="true").replace("NextContinuationToken", "NextMarker")
    with pytest.raises(StorageError, match="something else than S3"):
        listing.objects(body, "")


def test_keys_stay_as_they_are_where_the_server_does_not_encode() -> None:
    body = PAGE.format(more="false").replace("<EncodingType>url</EncodingType>", "")
    assert listing.objects(body, "site/").objects[0].name == "a%2Bb+c%2520d.txt"


def test_unfinished_uploads_are_read() -> None:
    body = """<ListMultipartUploadsResult><Upload><Key>site/a</Key><UploadId>7</UploadId>
    <Initiated>2024-05-06T07:08:09.000Z</Initiated></Upload></ListMultipartUploadsResult>"""
    when = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert list(listing.uploads(body, "site/")) == [listing.Unfinished("a", "7", when)]


def test_something_else_than_xml_is_refused_in_one_line() -> None:
    with pytest.raises(StorageError, match=r"something else than S3; check storage\.endpoint"):
        listing.objects("<html><p>Hello", "")
