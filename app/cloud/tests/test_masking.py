import io
import logging.config
from html import unescape
from urllib.parse import quote

import django
from django.conf import settings
from django.core import mail
from django.http import HttpRequest
from django.test import SimpleTestCase, override_settings
from django.urls import path

from cloud.masking import MASK, MaskingFilter, mask

KEY, SECRET, PASSWORD = "KEYID-0123456789", "storage/secret+<&'0123", "database-password"
DSN = f"s3://{KEY}:{quote(SECRET, safe='')}@bucket.s3.example/?auth=s3v4"
DATABASE_URL = f"postgres://user:{PASSWORD}@db:5432/name"


def broken(_request: HttpRequest) -> None:
    dsn = DSN  # noqa: F841
    unquoted = SECRET  # noqa: F841
    nested = {"urls": [DATABASE_URL, ("x", DSN)]}  # noqa: F841
    database_password = "short"  # noqa: F841
    visible = "this-value-may-be-seen"  # noqa: F841
    raise RuntimeError(f"cannot connect to {DATABASE_URL} with {PASSWORD}")


urlpatterns = [path("broken", broken)]


@override_settings(
    DEBUG=True,
    ROOT_URLCONF=__name__,
    DEFAULT_STORAGE_DSN=DSN,
    DATABASE_URL=DATABASE_URL,
    DATABASES={"default": {"ENGINE": "x", "PASSWORD": PASSWORD}},
    OTHER=["redis://:pass@cache/0", DSN],
)
class ErrorPage(SimpleTestCase):
    def page(self, accept: str, **environ: str) -> str:
        self.client.raise_request_exception = False
        response = self.client.get("/broken", headers={"accept": accept}, **environ)
        self.assertEqual(response.status_code, 500)
        return response.content.decode()

    def assert_clean(self, page: str) -> None:
        self.assertIn("this-value-may-be-seen", page)
        self.assertIn("cannot connect to", page)
        for secret in (KEY, SECRET, quote(SECRET, safe=""), PASSWORD, ":pass@", "storage/secret"):
            self.assertNotIn(secret, page)

    def test_html_holds_no_secret(self) -> None:
        self.assert_clean(self.page("text/html"))

    def test_text_holds_no_secret(self) -> None:
        self.client.raise_request_exception = False
        page = self.client.get("/broken", headers={"accept": "text/plain"}).content.decode()
        self.assertIn("cannot connect to postgres://***@db", page)
        for secret in (KEY, SECRET, PASSWORD, ":pass@"):
            self.assertNotIn(secret, page)

    def test_environment_among_the_headers_is_hidden(self) -> None:
        page = self.page("text/html", MY_DSN="opaque-value", DATABASE_URL=DATABASE_URL, X=DSN)
        self.assertNotIn("opaque-value", page)
        self.assert_clean(page)

    def test_variable_named_as_a_secret_is_hidden(self) -> None:
        page = self.page("text/html")
        self.assertRegex(page, r"database_password</td>\s*<td class=\"code\"><pre>[^<]*\*\*\*")


@override_settings(
    DEBUG=False,
    ROOT_URLCONF=__name__,
    DEFAULT_STORAGE_DSN=DSN,
    DATABASES={"default": {"ENGINE": "x", "PASSWORD": PASSWORD}},
    ADMINS=["admin@example.com"] if django.VERSION >= (6,) else [("", "admin@example.com")],
    ALLOWED_HOSTS=["testserver"],
)
class ErrorMail(SimpleTestCase):
    """A view raises; what the administrators are mailed comes through the project's own LOGGING."""

    def raise_in_a_view(self, name: str, **options: object) -> list:
        """Return the mails, with some options of one handler of LOGGING changed."""
        handlers = {**settings.LOGGING["handlers"]}
        handlers[name] = handlers[name] | options
        loggers = {"django": settings.LOGGING["loggers"]["django"] | {"level": "INFO"}}
        changed = {"handlers": handlers, "loggers": loggers}
        logging.config.dictConfig({**settings.LOGGING, **changed})
        self.addCleanup(logging.config.dictConfig, settings.LOGGING)
        self.client.raise_request_exception = False
        response = self.client.get("/broken", headers={"cookie": f"dsn={DSN}", "x-dsn": DSN})
        self.assertEqual(response.status_code, 500)
        self.assertNotIn("postgres", response.content.decode())
        return mail.outbox

    def assert_clean(self, text: str) -> None:
        self.assertIn("cannot connect to postgres://***@db", unescape(text))
        for secret in (KEY, SECRET, quote(SECRET, safe=""), PASSWORD, "storage/secret"):
            self.assertNotIn(secret, text)

    def test_text_holds_no_secret(self) -> None:
        (sent,) = self.raise_in_a_view("mail_admins")
        self.assertIn("/broken", sent.subject)
        self.assert_clean(sent.body)

    def test_html_holds_no_secret(self) -> None:
        (sent,) = self.raise_in_a_view("mail_admins", include_html=True)
        self.assert_clean(sent.alternatives[0][0])

    def test_the_log_holds_no_secret(self) -> None:
        stream = io.StringIO()
        self.raise_in_a_view("console", stream=stream)
        self.assert_clean(stream.getvalue())


class Mask(SimpleTestCase):
    def test_hides_credentials_of_any_url(self) -> None:
        self.assertEqual(mask("a s3://K:S%2F@b.c/ b"), "a s3://***@b.c/ b")
        self.assertEqual(mask("redis://:x@h and az://a:b@h"), "redis://***@h and az://***@h")

    def test_leaves_other_text_alone(self) -> None:
        for text in ("http://h:8000/a@b:c@d", "mail a:b@c", "https://h/?q=a:b@c", "postgres://h/n"):
            self.assertEqual(mask(text), text)

    @override_settings(DEFAULT_STORAGE_DSN="s3://K:sec/ret+unquoted@b.c/")
    def test_hides_the_secret_of_a_badly_quoted_dsn(self) -> None:
        self.assertEqual(mask("Invalid port: sec/ret+unquoted"), f"Invalid port: {MASK}")

    @override_settings(SECRET_KEY="")
    def test_works_while_the_image_is_built(self) -> None:
        self.assertEqual(mask("postgres://u:p@h"), "postgres://***@h")

    @override_settings(DATABASES={"default": {"PASSWORD": "app"}})
    def test_short_passwords_do_not_eat_words(self) -> None:
        self.assertEqual(mask("the app"), "the app")


class Logs(SimpleTestCase):
    def log(self, message: str, *args: object, **kwargs: object) -> str:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.addFilter(MaskingFilter())
        logger = logging.Logger("test")
        logger.addHandler(handler)
        logger.error(message, *args, **kwargs)
        return stream.getvalue()

    def test_arguments_are_masked(self) -> None:
        self.assertEqual(
            self.log("to %s (%d)", DATABASE_URL, 7), "to postgres://***@db:5432/name (7)\n"
        )

    def test_tracebacks_are_masked(self) -> None:
        try:
            raise ValueError(DSN)
        except ValueError:
            text = self.log("failed", exc_info=True)
        self.assertIn("ValueError: s3://***@bucket", text)
        self.assertNotIn(KEY, text)
