"""Drive a headless Chromium as a person would, and keep pictures of what it showed."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "artefacts" / "browser"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-proxy-server", "--window-size=1100,700", "--hide-scrollbars",
)  # fmt: skip
PATIENCE = 60
SCRIPT_RAN = "script ran"


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """Start Debian's Chromium with an empty profile; its driver comes with it."""
    options = ChromeOptions()
    browser, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    assert browser, "scripts/bootstrap.sh --dev installs Chromium"
    options.binary_location = browser
    options.accept_insecure_certs = True
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = Chrome(options=options, service=ChromeService(driver_program))
    driver.set_page_load_timeout(PATIENCE)
    try:
        yield driver
    finally:
        driver.quit()


class Person:
    """Use one site: its admin and its first page."""

    def __init__(self, driver: Chrome, site: str, story: str) -> None:
        self.driver, self.site, self.story = driver, site, story
        self.pictures = 0

    def look(self, what: str) -> None:
        """Keep a picture of what is shown now."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.pictures += 1
        name = re.sub(r"\W+", "-", f"{self.story} {self.pictures} {what}")
        assert self.driver.save_screenshot(str(ARTEFACTS / f"{name}.png"))

    def go(self, path: str) -> None:
        self.driver.get(urljoin(self.site, path))

    def log_in(self, user: str, password: str) -> None:
        # Cookies are deleted of the site that is open.
        self.go("/livez")
        self.driver.delete_all_cookies()
        self.go("/admin/login/?next=/admin/")
        self.driver.find_element(By.NAME, "username").send_keys(user)
        self.driver.find_element(By.NAME, "password").send_keys(password)
        self._submit("[type=submit]")
        assert "Site administration" in self.driver.title, self.driver.title
        assert "Uploaded files" in self.driver.page_source
        self.look("logged in")

    def upload(self, file: Path) -> str:
        """Upload through the admin's form; return the link that it then shows."""
        self.go("/admin/uploader/uploadedfile/add/")
        self.driver.find_element(By.NAME, "file").send_keys(str(file))
        self._submit("[name=_continue]")
        link = self.driver.find_element(By.CSS_SELECTOR, ".file-upload a")
        self.look(f"uploaded {file.suffix}")
        return str(link.get_attribute("href"))

    def open_link(self) -> str:
        """Click the link of the uploaded file, and return the address that opened."""
        self.driver.find_element(By.CSS_SELECTOR, ".file-upload a").click()
        WebDriverWait(self.driver, PATIENCE).until(lambda d: "/admin/" not in d.current_url)
        self.look("opened")
        return str(self.driver.current_url)

    def width_of_the_picture(self) -> int:
        """Return the width in pixels of the picture that is shown, 0 where none is."""
        wide = "return document.images.length ? document.images[0].naturalWidth : 0"
        return int(self.driver.execute_script(wide))

    def listed(self) -> dict[str, str]:
        """Return name and link of each file on the first page."""
        self.go("/")
        read = "return [...document.querySelectorAll('a[data-pk]')].map(a => [a.title, a.href])"
        self.look("first page")
        return dict(self.driver.execute_script(read))

    def _submit(self, button: str) -> None:
        before = self.driver.find_element(By.TAG_NAME, "html")
        self.driver.find_element(By.CSS_SELECTOR, button).click()
        WebDriverWait(self.driver, PATIENCE).until(lambda _: _is_gone(before))


def _is_gone(element: object) -> bool:
    from selenium.common.exceptions import StaleElementReferenceException

    try:
        element.is_enabled()  # type: ignore[attr-defined]
    except StaleElementReferenceException:
        return True
    return False
