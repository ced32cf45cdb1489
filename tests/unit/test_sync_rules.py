from slipway.settings.media import Media
from slipway.sync.rules import Rules


def test_what_lies_in_an_excluded_folder_is_left_out_too() -> None:
    rules = Rules(Media(exclude=("cache/", "*.tmp", "!keep.tmp")))
    names = ("cache/a", "x/cache/y/b", "c.tmp", "x/.DS_Store", "keep.tmp", "cache", "d.jpg")
    assert [name for name in names if rules.left_out(name)] == list(names[:4])


def test_without_settings_nothing_is_excluded_and_nothing_added() -> None:
    rules = Rules(Media())
    assert not rules.excluded("a.tmp")
    assert rules.meta_of("a.css") == ("text/css", "", 0)
