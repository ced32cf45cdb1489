"""Put pretalx, a conference tool with a life of its own, into app/ and live the story with it."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from slipway import environment
from slipway.errors import UNHEALTHY
from slipway.secrets import Secret
from tests.adopt import checkout
from tests.adopt.checkout import Checkout
from tests.adopt.visitor import Page, Visitor
from tests.browser.picture import png

ADDRESS, HOST = "http://127.0.0.1:8080", "test.localhost:8080"
MAIL = "ada@example.org"
LACKING = (
    "app/Dockerfile is missing",
    "app/cloud is missing",
    "no file names a WSGI or ASGI module",
    "lacks boto3, dj-database-url, django, django-storage-url, django-storages, gunicorn, psycopg",
    "conference/settings.py lacks 'from cloud.settings import *'",
    'conference/settings.py lacks "cloud" in INSTALLED_APPS',
    "conference/settings.py does not take STATIC_ROOT from the image",
)
PATH = "conference/settings/production.py"
SPEAKER = re.compile(r"^/harbour/speaker/[A-Z0-9]+/$")
TALK = re.compile(r"^/harbour/talk/[A-Z0-9]+/$")


def doctor(own: Checkout) -> dict[str, str]:
    """Return what doctor says of app/, text to state; without hosts, which are not there yet."""
    found = own.result_of("doctor", "-e", "nowhere", codes=(0, UNHEALTHY))["findings"]
    of_app = [one for one in found if one["where"] == "app"]
    assert all("docs/adopt.md" in one["next"] for one in of_app if one["state"] == "fail")
    return {one["text"]: one["state"] for one in of_app}


def test_doctor_names_each_point_that_a_project_lacks(own: Checkout) -> None:
    checkout.bare(own)
    found = doctor(own)
    assert set(found.values()) == {"fail"}
    assert len(found) == len(LACKING)
    assert [point for point in LACKING if not any(text.startswith(point) for text in found)] == []


def test_doctor_names_a_settings_module_that_lies_in_a_package(own: Checkout) -> None:
    checkout.bare(own)
    manage = own.root / "app" / "manage.py"
    manage.write_text(manage.read_text().replace("conference", "pretalx"))
    found = doctor(own)
    assert "manage.py names no settings module that is in app/" in found
    assert "app/cloud is missing" in found


def test_doctor_is_content_with_what_the_page_asks_for(own: Checkout) -> None:
    checkout.adopt(own)
    found = doctor(own)
    assert f"{PATH} takes the environment's settings" in found
    assert set(found.values()) == {"ok"}


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        (PATH, "from cloud.settings import *\n", "", "lacks 'from cloud.settings import *'"),
        (PATH, "from .base import *\nfrom cloud.settings import *\n",
         "from cloud.settings import *\nfrom .base import *\n", "all of pretalx.settings set"),
        ("conference/settings/base.py", '"STATIC_ROOT"', '"X"', "does not take STATIC_ROOT"),
        ("conference/settings/base.py", '"cloud"', '"x"', 'lacks "cloud" in INSTALLED_APPS'),
        ("gunicorn.conf.py", "conference.server", "conference", "conference.wsgi is not in app/"),
        ("Dockerfile", "USER 1000:1000", "USER root", "does not end as user 1000"),
        ("Dockerfile", "./serve.sh", "./start.sh", "wants start.sh"),
        ("requirements.txt", "psycopg", "psycopg2", "lacks psycopg"),
    ],
)  # fmt: skip
def test_doctor_names_the_one_point_that_was_forgotten(
    own: Checkout, file: str, before: str, after: str, said: str
) -> None:
    checkout.adopt(own)
    path = own.root / "app" / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    found = doctor(own)
    assert [said in text for text, state in found.items() if state == "fail"] == [True]


def test_the_bundles_own_quick_tests_still_pass(own: Checkout) -> None:
    checkout.adopt(own)
    quick = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/unit", "tests/contracts")
    done = subprocess.run([sys.executable, *quick], cwd=own.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def media(site: Checkout) -> dict[str, Path]:
    """Return the local media files by the URLs under which the bucket serves them."""
    storage = environment.load("test", site.root).storage
    folder = site.root / "data" / "media"
    files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    start = f"{storage.endpoint}/{storage.bucket}/"
    return {start + path.relative_to(folder).as_posix(): path for path in files}


@pytest.fixture(scope="module")
def pushed(site: Checkout) -> dict[str, Path]:
    """Push media and database; return the files by their URLs."""
    files = media(site)
    sent = site.result_of("push-media")
    assert (sent["uploaded"], sent["failed"]) == (len(files), 0)
    assert site.result_of("push-db", "--yes")["rows"] > 100
    return files


@pytest.fixture(scope="module")
def visitor(pushed: dict[str, Path]) -> Visitor:
    assert len(pushed) >= 80
    return Visitor(ADDRESS, HOST)


def links(page: Page, pattern: re.Pattern[str]) -> list[str]:
    return [link for link in page.links if pattern.match(link)]


def test_the_page_shows_the_event_in_its_own_style(
    visitor: Visitor, pushed: dict[str, Path]
) -> None:
    assert "HarbourConf" in visitor.open("/").text
    page = visitor.open("/harbour/")
    assert "Ships and shells" in page.text
    shown = {Path(link).suffix for link in page.links if link in pushed}
    assert shown == {".css", ".png", ".jpg"}
    static = [link for link in page.links if link.startswith("/static/")]
    assert len(static) > 5
    assert all(visitor.fetch(link) for link in static)
    allowed = visitor.session.get(urljoin(ADDRESS, "/harbour/")).headers["Content-Security-Policy"]
    address = urlsplit(next(iter(pushed)))
    assert allowed.count(f"{address.scheme}://{address.netloc}") == 2


def test_speakers_and_talks_show_their_files(visitor: Visitor, pushed: dict[str, Path]) -> None:
    speakers = links(visitor.open("/harbour/speaker/"), SPEAKER)
    assert len(speakers) == 8
    for speaker in speakers:
        page = visitor.open(speaker)
        assert [link for link in page.links if "/avatars/" in link and link in pushed]
        (talk,) = set(links(page, TALK))
        papers = [link for link in visitor.open(talk).links if "/resources/" in link]
        assert len(papers) == 5
        assert set(papers) <= set(pushed)


def test_every_file_opens_with_equal_bytes(visitor: Visitor, pushed: dict[str, Path]) -> None:
    assert [url for url, path in pushed.items() if visitor.fetch(url) != path.read_bytes()] == []


def test_every_row_has_its_file(site: Checkout, pushed: dict[str, Path]) -> None:
    found = site.result_of("check-media", codes=(0, UNHEALTHY))
    assert found["missing"] == []
    assert found["rows"] > 60
    assert len(pushed) >= found["rows"]


def test_the_migrations_of_the_package_are_applied(site: Checkout) -> None:
    plan = site.invoke("manage", "showmigrations --plan")
    assert plan.count("[X]") > 100
    assert "[ ]" not in plan


def test_the_custom_user_logs_in_and_a_picture_lands_in_the_bucket(
    visitor: Visitor, site: Checkout, pushed: dict[str, Path], password: Secret
) -> None:
    login = {"login_email": MAIL, "login_password": password.reveal()}
    page = visitor.send("/orga/login/", login)
    assert "HarbourConf" in page.text
    assert "/orga/event/harbour/" in page.links
    profile = {"form": "profile", "name": "Ada Lovelace", "biography": "Counts"}
    for width in (200, 210):
        page = visitor.send("/harbour/me/", profile, avatar=("me.png", png(width)))
        shown = [link for link in page.links if "/avatars/" in link]
        assert any("_thumbnail_default" in link for link in shown)
        assert not set(shown) & set(pushed)
        assert all(visitor.fetch(link)[:4] == b"RIFF" for link in shown)
    assert media(site) == pushed


def test_the_front_end_that_node_built_is_served(visitor: Visitor, password: Secret) -> None:
    visitor.send("/orga/login/", {"login_email": MAIL, "login_password": password.reveal()})
    page = visitor.open("/orga/event/harbour/schedule/")
    (script,) = (link for link in page.links if re.match(r"/static/main-\w+\.js$", link))
    assert len(visitor.fetch(script)) > 100_000


def test_a_second_run_changes_and_sends_nothing(site: Checkout, pushed: dict[str, Path]) -> None:
    assert site.result_of("provision", "--yes")["changes"] == []
    assert site.result_of("deploy")["changed"] is False
    assert pushed


def test_machine_hosts_and_project_are_in_order(site: Checkout, pushed: dict[str, Path]) -> None:
    found = site.result_of("doctor")
    assert found["healthy"]
    assert {one["state"] for one in found["findings"] if one["where"] == "app"} == {"ok"}
    assert pushed


def test_nothing_outside_of_app_and_env_was_changed(site: Checkout) -> None:
    changed = site.changed()
    assert len(changed) > 10
    assert [name for name in changed if not name.startswith(("app/", "env/"))] == []
    status = site.git("status", "--porcelain")
    assert status == ""
