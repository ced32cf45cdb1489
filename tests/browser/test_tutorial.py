"""Follow docs/tutorial.md in a real browser: its commands, its clicks, what it says one sees."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from slipway import environment, local
from slipway.command import Shell
from slipway.secrets import Secret
from tests.browser.chromium import SCRIPT_RAN, Person, chromium
from tests.browser.page import steps, unnamed_blocks
from tests.browser.picture import png
from tests.browser.terminal import run_step
from tests.e2e.machine import ROOT, docker, first_demo, invoke, result_of

LOCAL = "http://localhost:8000"
USER = "ada"
FORGET = f"""
from django.contrib.auth import get_user_model
get_user_model().objects.filter(username="{USER}").delete()
"""
# Files that the local site wrote into other storages are not in its folder.
ELSEWHERE = """
from uploader.models import UploadedFile
for row in UploadedFile.objects.all():
    if not row.file.storage.exists(row.file.name):
        row.delete()
"""
ROWS = """
from uploader.models import UploadedFile
print(UploadedFile.objects.count())
"""
SCRIPT = f"<script>document.title = '{SCRIPT_RAN}'</script>"
PAGE = f"{SCRIPT}<p>words</p>"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>'


@dataclass
class Tutorial:
    """Hold what one reader of the tutorial has: a browser, a password, files to upload."""

    driver: Chrome
    password: str
    folder: Path
    uploaded: dict[str, bytes]

    def person(self, site: str, story: str) -> Person:
        person = Person(self.driver, site, story)
        person.log_in(USER, self.password)
        return person

    def picture(self, name: str, width: int) -> Path:
        path = self.folder / name
        path.write_bytes(png(width))
        return path


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    first_demo()
    Shell().run(local.script(ROOT, FORGET))
    password = secrets.token_hex(12)
    run_step("local", {"Password:": password, "Password (again):": password})
    folder = tmp_path_factory.mktemp("uploads")
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield Tutorial(driver, password, folder, {})
    invoke("local.up")
    Shell().run(local.script(ROOT, ELSEWHERE))


def fetch(url: str) -> bytes:
    """Read a URL without a browser; names below localhost are this machine, as for browsers."""
    where = urlsplit(url)
    name = where.hostname or ""
    address = "127.0.0.1" if name.endswith(".localhost") else name
    options: dict[str, Any] = {"headers": {"Host": where.netloc}, "timeout": 60, "retries": False}
    if where.scheme == "https":
        pool: HTTPConnectionPool = HTTPSConnectionPool(
            address, where.port, server_hostname=name, assert_hostname=False, cert_reqs="CERT_NONE"
        )
    else:
        pool = HTTPConnectionPool(address, where.port)
    with pool:
        answer = pool.request("GET", where.path, **options)
    assert answer.status == 200, url
    return answer.data


def storage_url(env: str = "test") -> str:
    settings = environment.load(env, ROOT).storage
    return f"{settings.endpoint}/{settings.bucket}/"


def test_every_command_of_the_page_is_run_by_a_test_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in steps() if f'run_step("{name}"' not in source] == []
    assert unnamed_blocks() == 0


def test_an_upload_on_this_machine(tutorial: Tutorial) -> None:
    person = tutorial.person(LOCAL, "1 local")
    file = tutorial.picture("local.png", 40)
    url = person.upload(file)
    assert url.startswith(f"{LOCAL}/media/")
    stored = ROOT / "data" / "media" / Path(url).name
    assert stored.read_bytes() == file.read_bytes()
    assert stored.stat().st_uid == os.getuid()
    assert person.open_link() == url
    assert person.width_of_the_picture() == 40
    assert fetch(url) == file.read_bytes()
    tutorial.uploaded[stored.name] = file.read_bytes()


@pytest.mark.parametrize(("name", "text"), [("page.html", PAGE), ("picture.svg", SVG)])
def test_an_upload_cannot_run_a_script_as_the_site(
    tutorial: Tutorial, name: str, text: str
) -> None:
    person = tutorial.person(LOCAL, f"2 script {name}")
    file = tutorial.folder / name
    file.write_text(text)
    url = person.upload(file)
    tutorial.driver.get(url)
    assert SCRIPT_RAN not in tutorial.driver.title
    # Even in a frame of one of the site's own pages.
    tutorial.driver.get(f"{LOCAL}/")
    ran = tutorial.driver.execute_async_script(
        "const done = arguments[1], f = document.createElement('iframe');"
        "f.onload = () => { try { done(f.contentDocument.title) } catch (e) { done(e.name) } };"
        "setTimeout(() => done('nothing'), 3000); f.src = arguments[0]; document.body.append(f)",
        url,
    )
    assert SCRIPT_RAN not in ran
    tutorial.uploaded[Path(url).name] = text.encode()


def test_the_local_site_on_the_environments_bucket_and_back(tutorial: Tutorial) -> None:
    before = (ROOT / "env" / "local.env").read_bytes()
    run_step("local-on-the-bucket")
    person = tutorial.person(LOCAL, "3 local on the bucket")
    file = tutorial.picture("on the bucket.png", 41)
    url = person.upload(file)
    assert url.startswith(storage_url())
    assert fetch(url) == file.read_bytes()
    assert person.open_link() == url
    assert person.width_of_the_picture() == 41
    assert not (ROOT / "data" / "media" / Path(url).name).exists()
    assert (ROOT / "env" / "local.env").read_bytes() == before
    run_step("back")
    assert (ROOT / "env" / "local.env").read_bytes() == before
    again = tutorial.person(LOCAL, "4 back").upload(tutorial.picture("back.png", 42))
    assert again.startswith(f"{LOCAL}/media/")
    tutorial.uploaded[Path(again).name] = png(42)


def test_everything_in_the_cloud(tutorial: Tutorial) -> None:
    run_step("cloud", {"[y/N]": "y"})
    everything_is_there(tutorial, "test", storage_url(), "5 cloud")


def test_the_local_site_on_azure(tutorial: Tutorial) -> None:
    run_step("local-on-azure")
    person = tutorial.person(LOCAL, "6 local on Azure")
    file = tutorial.picture("on azure.png", 44)
    url = person.upload(file)
    assert url.startswith(storage_url("azure"))
    assert fetch(url) == file.read_bytes()
    assert person.open_link() == url
    assert not (ROOT / "data" / "media" / Path(url).name).exists()


def test_everything_on_azure(tutorial: Tutorial) -> None:
    run_step("azure", {"[y/N]": "y"})
    everything_is_there(tutorial, "azure", storage_url("azure"), "7 Azure")
    shown = tutorial.person(LOCAL, "8 back").listed().values()
    assert all(url.startswith(f"{LOCAL}/media/") for url in shown)


def test_everything_on_the_hosts_disk(tutorial: Tutorial) -> None:
    run_step("volume", {"[y/N]": "y"})
    site = environment.load("volume", ROOT).site.url
    everything_is_there(tutorial, "volume", f"{site}/media/", "9 volume")


@pytest.mark.parametrize("env", ["azure", "volume"])
def test_an_environment_is_taken_away_and_its_neighbour_serves_on(
    tutorial: Tutorial, env: str
) -> None:
    folder = environment.load(env, ROOT).stack
    invoke("destroy", "-e", env, "--yes", "--with-objects")
    assert result_of("destroy", "-e", env, "--plan")["changes"] == []
    assert not (ROOT / "env" / f"{env}.env").exists()
    host = ("exec", "slipway-host1")
    left = docker(*host, "docker", "service", "ls") + docker(*host, "docker", "volume", "ls")
    assert folder not in left + docker(*host, "ls", "/srv/slipway")
    site = environment.load("test", ROOT).site.url
    assert tutorial.person(site, f"10 without {env}").listed()


def everything_is_there(tutorial: Tutorial, env: str, files: str, story: str) -> None:
    """Find every row and file in the deployed site, and upload one more below `files`."""
    person = tutorial.person(environment.load(env, ROOT).site.url, story)
    listed = person.listed()
    rows = int(Shell().run(local.script(ROOT, ROWS)).stdout.split()[-1])
    assert len(listed) == rows
    for name, content in tutorial.uploaded.items():
        assert listed[name].startswith(files)
        assert fetch(listed[name]) == content
    file = tutorial.picture("from the cloud.png", 43)
    url = person.upload(file)
    assert url.startswith(files)
    assert person.open_link() == url
    assert person.width_of_the_picture() == 43
    assert fetch(url) == file.read_bytes()
    assert url in person.listed().values()


def test_the_password_is_nowhere_in_the_pictures_folder(tutorial: Tutorial) -> None:
    from tests.browser.chromium import ARTEFACTS

    assert len(list(ARTEFACTS.glob("*.png"))) >= 10
    assert Secret(tutorial.password).reveal() not in " ".join(p.name for p in ARTEFACTS.iterdir())
