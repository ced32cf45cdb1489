from hypothesis import given
from hypothesis import strategies as st

from slipway.objects.listing import Object
from slipway.objects.shards import by_folders, by_letters
from slipway.sync.plan import Comparison, Names, Objects, Row, Wanted, compare
from slipway.sync.scan import File, Stamp

STAMP = Stamp(5, 1, 1, 1)
FILE = File("a.txt", "/x/a.txt", STAMP)
WANTED = [Wanted("a.txt", 5)]


def there(size: int = 5, etag: str = "aa") -> list[Object]:
    return [Object("a.txt", size, etag)]


def known(etags: str, **changes: int) -> list[Row]:
    return [Row("a.txt", *STAMP._replace(**changes), etags)]


def of(files: list[File], objects: list[Object], rows: list[Row]) -> Comparison:
    return compare(files, objects, rows, by_letters)


def test_what_is_missing_or_of_another_size_is_sent() -> None:
    assert list(of([FILE], [], []).new) == WANTED
    assert list(of([FILE], there(size=6), []).send) == WANTED


def test_what_is_unknown_has_to_be_read() -> None:
    result = of([FILE], there(), [])
    assert (len(result.send), list(result.read), result.unchanged) == (0, there(), 0)


def test_memory_counts_only_together_with_the_listing() -> None:
    assert of([FILE], there(etag="bb"), known("aa bb")).unchanged == 1
    assert list(of([FILE], there(etag="cc"), known("aa bb")).read) == there(etag="cc")
    for etags in ("aa bb", "aa ", ""):
        assert list(of([FILE], there(etag=""), known(etags)).read) == there(etag="")
    assert list(of([FILE], [], known("aa bb")).new) == WANTED


def test_a_file_that_bears_another_stamp_is_read_again() -> None:
    for field in ("mtime", "ctime", "inode"):
        assert list(of([FILE], there(), known("aa", **{field: 2})).read) == there()


def test_objects_and_memories_without_a_file_are_named() -> None:
    result = of([], there(), known("aa"))
    assert (len(result.send), len(result.read), result.unchanged) == (0, 0, 0)
    assert (list(result.gone), result.forgotten) == (there(), ["a.txt"])


def test_names_are_kept_small() -> None:
    names = Names([Wanted("é/x", 3)])
    names.add("b", 4)
    assert (len(names), names.size, list(names)) == (2, 7, [Wanted("é/x", 3), Wanted("b", 4)])
    assert names.sizes == {3, 4}


def test_objects_are_kept_small_whatever_their_names() -> None:
    those = [Object("é/\ud800 x", 3, "0123-4"), Object("b", 4, "")]
    objects = Objects(those)
    assert (len(objects), objects.size, list(objects)) == (2, 7, those)


NAMES = st.sets(st.text("ab-/0é\U0001f600", min_size=1, max_size=4), max_size=12)


@given(NAMES, NAMES, NAMES, st.sampled_from([by_letters, by_folders]))
def test_the_walk_agrees_with_set_arithmetic(
    here: set[str], over_there: set[str], remembered: set[str], order: object
) -> None:
    place = by_folders if order is by_folders else by_letters
    files = [File(name, name, STAMP) for name in sorted(here, key=place)]
    objects = [Object(name, 5, "aa") for name in sorted(over_there, key=place)]
    rows = [Row(name, *STAMP, "aa") for name in sorted(remembered, key=place)]
    result = compare(files, objects, rows, place)
    assert {name for name, _ in result.new} == here - over_there
    assert {there.name for there in result.gone} == over_there - here
    assert result.unchanged == len(here & over_there & remembered)
    assert {there.name for there in result.read} == (here & over_there) - remembered
    assert set(result.forgotten) == remembered - here
