import os
from unittest import mock

from botocore.exceptions import ClientError
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.test import SimpleTestCase
from django_storage_url import get_storage
from django_storage_url.backends.s3 import S3Storage as StockStorage
from furl import furl

from cloud.storage import S3Storage

from .fake_s3 import BUCKET, KEY, SECRET, FakeS3, fake_s3

STOCK_DSNS = [
    "s3://K:S@my-bucket.s3.eu-central-1.amazonaws.com/?auth=s3v4&addressing_style=virtual"
    "&acl=bucket-owner-full-control",
    "s3://K:S@my-bucket.s3.eu-central-1.amazonaws.com/pre/?auth=s3v4&domain=cdn.example.com",
    "s3://K:S@my-bucket.s3.amazonaws.com/?auth=s3v4&qs_auth=true",
    "s3://K:S@bkt.fra1.digitaloceanspaces.com/?region_name=fra1&auth=s3v4",
    "s3://K%2F:S%2B@dotted.bucket.s3-eu-west-1.amazonaws.com/?url=https%3A%2F%2Fa.example%2Fx",
]
SAME = [
    "access_key", "secret_key", "bucket_name", "endpoint_url", "addressing_style", "location",
    "signature_version", "region_name", "custom_domain", "object_parameters", "querystring_auth",
    "url_protocol", "base_url", "use_ssl",
]  # fmt: skip


class StockGrammar(SimpleTestCase):
    def test_is_served_as_by_the_stock_class(self) -> None:
        for dsn in STOCK_DSNS:
            ours, stock = get_storage(dsn), StockStorage(furl(dsn))
            with self.subTest(dsn):
                self.assertIs(type(ours), S3Storage)
                for name in SAME:
                    self.assertEqual(getattr(ours, name), getattr(stock, name), name)
                ours_config, stock_config = ours.client_config, stock.client_config
                self.assertEqual(ours_config.s3, stock_config.s3)
                self.assertEqual(ours_config.signature_version, stock_config.signature_version)

    def test_region_of_the_query_wins_over_the_hosts(self) -> None:
        dsn = "s3://K:S@b.s3.eu-central-1.amazonaws.com/?region_name=eu-west-9"
        self.assertEqual(get_storage(dsn).region_name, "eu-west-9")

    def test_acl_none_sends_none(self) -> None:
        dsn = "s3://K:S@b.s3.eu-central-1.amazonaws.com/?acl=none"
        self.assertEqual(get_storage(dsn).object_parameters, {})


class Endpoint(SimpleTestCase):
    server: FakeS3

    def setUp(self) -> None:
        self.server = self.enterContext(fake_s3())

    def save(self, prefix: str = "", **query: str) -> dict[str, str]:
        self.server.storage(prefix, **query).save("a b/ñ.txt", ContentFile(b"text"))
        put = self.server.requests[-1]
        self.assertEqual(put.method, "PUT")
        self.path = put.path
        return {name.lower(): value for name, value in put.headers.items()}

    def test_puts_path_style_over_plain_http(self) -> None:
        headers = self.save()
        self.assertEqual(self.path, f"/{BUCKET}/a%20b/%C3%B1.txt")
        self.assertEqual(headers["host"], f"127.0.0.1:{self.server.port}")

    def test_signs_with_v4_for_the_region_of_the_query(self) -> None:
        authorization = self.save()["authorization"]
        self.assertTrue(authorization.startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/"))
        self.assertIn("/eu-test-1/s3/aws4_request", authorization)

    def test_unquotes_key_and_secret(self) -> None:
        storage = self.server.storage()
        self.assertEqual((storage.access_key, storage.secret_key), (KEY, SECRET))

    def test_sends_no_acl_unless_the_dsn_says_one(self) -> None:
        self.assertNotIn("x-amz-acl", self.save())
        self.assertNotIn("x-amz-acl", self.save(acl="none"))
        self.assertEqual(self.save(acl="public-read")["x-amz-acl"], "public-read")

    def test_sends_checksums_unless_they_are_off(self) -> None:
        def sent(headers: dict[str, str]) -> bool:
            return any(n.startswith(("x-amz-checksum", "x-amz-trailer")) for n in headers)

        self.assertTrue(sent(self.save()))
        self.assertFalse(sent(self.save(checksum="off")))

    def test_takes_no_credentials_from_the_machine(self) -> None:
        foreign = {
            "AWS_SESSION_TOKEN": "foreign",
            "AWS_SECURITY_TOKEN": "foreign",
            "AWS_ACCESS_KEY_ID": "foreign",
            "AWS_S3_SESSION_PROFILE": "foreign",
        }
        with mock.patch.dict(os.environ, foreign):
            headers = self.save()
        self.assertNotIn("x-amz-security-token", headers)
        self.assertIn(f"Credential={KEY}/", headers["authorization"])

    def test_puts_under_the_prefix(self) -> None:
        self.save("pre/fix/")
        self.assertEqual(self.path, f"/{BUCKET}/pre/fix/a%20b/%C3%B1.txt")

    def test_what_it_may_not_ask_for_is_not_there(self) -> None:
        storage = self.server.storage()
        self.server.head = 403
        self.assertFalse(storage.exists("a.txt"))
        self.server.head = 200
        self.assertTrue(storage.exists("a.txt"))
        self.server.head = 501
        with self.assertRaises(ClientError):
            storage.exists("a.txt")

    def test_keeps_a_file_of_the_same_name(self) -> None:
        with mock.patch.object(S3Storage, "exists", side_effect=[True, False]):
            name = self.server.storage().get_available_name("a.txt")
        self.assertRegex(name, r"^a_\w+\.txt$")


class Urls(SimpleTestCase):
    def setUp(self) -> None:
        self.server = self.enterContext(fake_s3())

    def tearDown(self) -> None:
        self.assertEqual(self.server.requests, [], "a URL must cost no request")

    def test_public_one_names_endpoint_bucket_prefix_and_key(self) -> None:
        storage = self.server.storage("pre/")
        root = f"{self.server.endpoint}/{BUCKET}/pre/"
        self.assertEqual(storage.base_url, root)
        self.assertEqual(storage.url("a b/ñ#?.txt"), root + "a%20b/%C3%B1%23%3F.txt")

    def test_virtual_style_names_the_bucket_in_the_host(self) -> None:
        url = self.server.storage(addressing_style="virtual").url("a.txt")
        self.assertEqual(url, f"http://{BUCKET}.127.0.0.1:{self.server.port}/a.txt")

    def test_domain_wins(self) -> None:
        storage = self.server.storage("pre/", domain="cdn.example.com")
        self.assertEqual(storage.url("a.txt"), "https://cdn.example.com/pre/a.txt")

    def test_private_one_is_presigned_with_v4(self) -> None:
        url = furl(self.server.storage(qs_auth="true").url("a b.txt"))
        self.assertEqual(str(url.path), f"/{BUCKET}/a%20b.txt")
        self.assertEqual(url.origin, self.server.endpoint)
        self.assertEqual(url.args["X-Amz-Algorithm"], "AWS4-HMAC-SHA256")


class BrokenDsn(SimpleTestCase):
    def refuse(self, dsn: str) -> str:
        with self.assertRaises(ImproperlyConfigured) as caught:
            get_storage(dsn)
        self.assertNotIn("SECRET", str(caught.exception))
        return str(caught.exception)

    def test_host_must_be_bucket_and_endpoint(self) -> None:
        for host in ("other.example", "nodots", "s3.example:9000", "b.s3.example:1"):
            with self.subTest(host):
                dsn = f"s3://K:SECRET@{host}/?endpoint=http%3A%2F%2Fs3.example%3A9000"
                self.assertIn("endpoint's s3.example:9000", self.refuse(dsn))

    def test_endpoint_must_be_http(self) -> None:
        for endpoint in ("s3.example", "ftp%3A%2F%2Fs3.example", ""):
            with self.subTest(endpoint):
                self.refuse(f"s3://K:SECRET@b.s3.example/?endpoint={endpoint}")

    def test_dotted_bucket_is_whole(self) -> None:
        dsn = "s3://K:S@my.dotted.s3.example/?endpoint=https%3A%2F%2Fs3.example"
        storage = get_storage(dsn)
        self.assertEqual(storage.bucket_name, "my.dotted")
        self.assertEqual(storage.url("a"), "https://s3.example/my.dotted/a")


class Probe(SimpleTestCase):
    def setUp(self) -> None:
        self.server = self.enterContext(fake_s3())

    def test_accepts_a_missing_object_and_a_key_that_may_not_list(self) -> None:
        for status, code in ((404, "NoSuchKey"), (403, "AccessDenied"), (200, "")):
            with self.subTest(code):
                self.server.status, self.server.error = status, code
                self.server.storage("pre/").probe()
        self.assertEqual(self.server.requests[-1].path, f"/{BUCKET}/pre/.health")

    def test_refuses_a_wrong_secret_key_or_bucket_at_once(self) -> None:
        for status, code in (
            (403, "SignatureDoesNotMatch"),
            (403, "InvalidAccessKeyId"),
            (404, "NoSuchBucket"),
            (503, "SlowDown"),
        ):
            with self.subTest(code):
                self.server.status, self.server.error = status, code
                self.server.requests.clear()
                with self.assertRaisesRegex(Exception, code):
                    self.server.storage().probe()
                self.assertEqual(len(self.server.requests), 1)
