import mimetypes

import pytest

from slipway.content_types import DEFAULT, content_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", "image/jpeg"),
        ("folder.d/A.JPEG", "image/jpeg"),
        ("uploads/Jahresbericht 2024.pdf", "application/pdf"),
        ("x.tar.gz", "application/gzip"),
        ("clip.webm", "video/webm"),
        ("logo.svg", "image/svg+xml"),
        ("script.js", "text/javascript"),
        ("font.woff2", "font/woff2"),
        ("README", DEFAULT),
        ("strange.xyz123", DEFAULT),
        (".png", DEFAULT),
        ("folder.png/readme", DEFAULT),
        ("", DEFAULT),
    ],
)
def test_the_suffix_decides(name: str, expected: str) -> None:
    assert content_type(name) == expected


def test_the_machines_own_table_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetypes, "guess_type", lambda *_: ("wrong/type", None))
    mimetypes.add_type("wrong/type", ".jpg")
    assert content_type("a.jpg") == "image/jpeg"
