import pytest

from slipway.objects.keys import problem, readable


@pytest.mark.parametrize(
    "key",
    ["a.txt", "ä/ö ü.jpg", "e\u0301", "日本", " a ", "a+b&c=d%20#?.x", "...", "a./b", "x" * 1024],
)
def test_ordinary_keys_are_sent(key: str) -> None:
    assert problem(key) == ""


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("a//b", "empty or dotted folder"),
        ("/a", "empty or dotted folder"),
        ("a/", "empty or dotted folder"),
        ("a/./b", "empty or dotted folder"),
        ("../b", "empty or dotted folder"),
        ("a\nb", "control character"),
        ("a\tb", "control character"),
        ("a\x7fb", "control character"),
        ("a\\b", "backslash"),
        ("latin-\udce9", "not UTF-8"),
        ("é" * 513, "longer than 1024 bytes"),
    ],
)
def test_keys_that_would_be_changed_on_the_way_are_refused(key: str, words: str) -> None:
    assert words in problem(key)


def test_names_are_shown_so_that_any_terminal_can_print_them() -> None:
    assert readable("größe ok.jpg") == "größe ok.jpg"
    assert readable("a\nb\x1b[31m\udce9\u202e") == "a\\nb\\x1b[31m\\udce9\\u202e"
