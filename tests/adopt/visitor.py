"""Visit a site from outside: follow its pages' links, fill in its forms."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

LINKS = {"a": "href", "link": "href", "img": "src", "script": "src"}
SECONDS = 60


class Page(HTMLParser):
    """Hold what a page says: its text, its links, the values of its forms."""

    def __init__(self, url: str, text: str) -> None:
        super().__init__()
        self.url, self.text = url, text
        self.links: list[str] = []
        self.fields: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if link := found.get(LINKS.get(tag, "")):
            self.links.append(link)
        if tag == "input" and found.get("name"):
            self.fields[str(found["name"])] = found.get("value") or ""


class Visitor:
    """Hold a session; `host` is the site's name, which may differ from where it is reached."""

    def __init__(self, address: str, host: str) -> None:
        self.address = address
        self.session, self.elsewhere = requests.Session(), requests.Session()
        self.session.trust_env = self.elsewhere.trust_env = False
        self.session.headers["Host"] = host

    def open(self, path: str) -> Page:
        """Open a page of the site."""
        return _page(self.session.get(urljoin(self.address, path), timeout=SECONDS))

    def fetch(self, url: str) -> bytes:
        """Fetch a file from wherever it lies."""
        inside = url.startswith("/")
        session = self.session if inside else self.elsewhere
        answer = session.get(urljoin(self.address, url) if inside else url, timeout=SECONDS)
        assert answer.status_code == 200, f"{url}: {answer.status_code}"
        return answer.content

    def send(self, path: str, values: dict[str, str], **files: tuple[str, bytes]) -> Page:
        """Fill in the form of a page, send it, and return the page that follows."""
        fields = {**self.open(path).fields, **values}
        address = urljoin(self.address, path)
        return _page(self.session.post(address, data=fields, files=files, timeout=SECONDS))


def _page(answer: requests.Response) -> Page:
    assert answer.status_code == 200, f"{answer.url}: {answer.status_code}"
    return Page(answer.url, answer.text)
