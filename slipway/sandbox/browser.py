"""Use the site as a person with a browser does: pages, forms, links."""

import html
import re
from urllib.parse import urljoin

import requests

from slipway.errors import SlipwayError

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
LINK = re.compile(r'<a href="([^"]+)" data-pk="(\d+)" title="([^"]*)"')
CURRENT = re.compile(r'<p class="file-upload">[^<]*<a href="([^"]+)"')


class Browser:
    """Hold a session with a site; `host` is sent as Host where `address` is not the site's name."""

    def __init__(self, address: str, host: str = "") -> None:
        self.address = address
        self.session = requests.Session()
        self.elsewhere = requests.Session()
        self.session.trust_env = self.elsewhere.trust_env = False
        if host:
            self.session.headers["Host"] = host

    def get(self, path: str) -> requests.Response:
        """Fetch a page of the site; raises SlipwayError on any answer but success."""
        answer = self.session.get(urljoin(self.address, path), timeout=30)
        return _good(answer)

    def log_in(self, user: str, password: str) -> None:
        """Log in to the admin."""
        answer = self._submit(
            "/admin/login/?next=/admin/", {"username": user, "password": password}
        )
        if "/admin/login/" in answer.url:
            raise SlipwayError(self.address, "the admin refuses the login", "see the site's log")

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file through the admin's own form, and return the URL that the site shows."""
        path = "/admin/uploader/uploadedfile/add/"
        answer = self._submit(path, {"_continue": "1"}, {"file": (name, content)})
        found = CURRENT.search(answer.text)
        if not found:
            raise SlipwayError(self.address, f"the admin did not take {name}", "see the site's log")
        return self.absolute(html.unescape(found[1]))

    def files(self) -> dict[str, str]:
        """Return the uploaded files that the first page lists: name to URL."""
        text = self.get("/").text
        return {
            html.unescape(name): self.absolute(html.unescape(url))
            for url, _, name in LINK.findall(text)
        }

    def absolute(self, url: str) -> str:
        """Return a link of a page as an address that can be fetched."""
        return urljoin(self.address, url)

    def fetch(self, url: str) -> bytes:
        """Fetch a file, from whichever server its URL names."""
        if url.startswith(self.address):
            return self.get(url).content
        return _good(self.elsewhere.get(url, timeout=30)).content

    def _submit(
        self, path: str, fields: dict[str, str], files: dict[str, tuple[str, bytes]] | None = None
    ) -> requests.Response:
        token = TOKEN.search(self.get(path).text)
        data = {**fields, "csrfmiddlewaretoken": token[1] if token else ""}
        address = urljoin(self.address, path)
        answer = self.session.post(address, data=data, files=files, timeout=30)
        return _good(answer)


def _good(answer: requests.Response) -> requests.Response:
    if answer.status_code != 200:
        raise SlipwayError(answer.url, f"answered {answer.status_code}", "see the site's log")
    return answer
