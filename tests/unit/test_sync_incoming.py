from slipway.objects.listing import Object
from slipway.sync.incoming import Incoming, compare, folded, too_many
from slipway.sync.plan import Known
from slipway.sync.scan import File, Stamp


def file(name: str, size: int = 1, mtime: int = 1) -> File:
    return File(name, f"/media/{name}", Stamp(size, mtime, 1, 1))


def names(*objects: str) -> list[Object]:
    return [Object(name, 1, "e") for name in objects]


def problems(found: Incoming) -> dict[str, str]:
    return dict(found.problems)


def test_what_is_missing_or_of_another_size_is_fetched_and_the_unsure_is_read() -> None:
    files = {f.name: f for f in (file("same"), file("longer", 2), file("unsure"), file("here"))}
    known = {"same": Known(files["same"].stamp, frozenset({"e"})),
             "unsure": Known(Stamp(1, 2, 1, 1), frozenset({"e"}))}  # fmt: skip
    found = compare(names("same", "longer", "unsure", "new"), files, known)
    assert sorted(there.name for there in found.fetch) == ["longer", "new"]
    assert [f.name for f, _ in found.read] == ["unsure"]
    assert [f.name for f in found.extra] == ["here"]
    assert found.unchanged == 1


def test_names_that_no_file_in_the_folder_can_have_are_refused() -> None:
    bad = ["../up", "a/../up", "/etc/passwd", "a//b", "./a", "back\\slash", "nul\0", "line\n"]
    found = compare(names(*bad, "good"), {}, {})
    assert [there.name for there in found.fetch] == ["good"]
    assert sorted(problems(found)) == sorted(bad)


def test_folders_of_consoles_and_clutter_are_left_out_quietly() -> None:
    marker = Object("folder/", 0, "e")
    found = compare([marker, *names(".DS_Store", ".slipway-x.part")], {}, {})
    assert (found.fetch, found.problems, found.left_out) == ([], [], 3)


def test_a_file_cannot_be_a_folder_too() -> None:
    found = compare(names("a", "a/b"), {}, {})
    assert [there.name for there in found.fetch] == ["a/b"]
    assert problems(found) == {"a": "is an object and a folder of others"}


def test_twins_are_counted_where_the_disk_tells_them_apart_and_refused_where_not() -> None:
    twins = ("A.txt", "a.txt", "e\u0301", "\u00e9")
    apart = compare(names(*twins), {}, {})
    assert (len(apart.fetch), apart.twins, apart.problems) == (4, 2, [])
    as_one = compare(names(*twins), {}, {}, fold=folded)
    assert [there.name for there in as_one.fetch] == ["A.txt", "e\u0301"]
    assert problems(as_one) == {
        "a.txt": "has the same name as A.txt on this disk",
        "\u00e9": "has the same name as e\u0301 on this disk",
    }


def test_a_problem_spares_the_local_file_from_deletion() -> None:
    found = compare(names("a", "a/b"), {"a": file("a"), "x": file("x")}, {})
    assert [f.name for f in found.extra] == ["x"]


def test_half_may_go_but_not_more() -> None:
    assert not too_many(2, 4)
    assert too_many(3, 4)
    assert too_many(1, 1)
