import pytest

from slipway.postgres import renaming, statements
from slipway.postgres.names import Names

NASTY = Names('it\'s "odd"; --')
LIVE = {
    "name": "UTF8",
    "datcollate": "en_US.utf8",
    "datctype": "C",
    "datlocprovider": "c",
    "datconnlimit": -1,
}


def test_the_switch_is_one_message_between_two_readings_of_the_clock() -> None:
    step = renaming.arrival(Names("a"), previous=False)
    message, _, rest = renaming.renames(step, "20ms", "15ms").partition("COMMIT;")
    first, *lines = message.splitlines()
    # A psql before 15 shows no other answer of a message than its last.
    assert first == f"{renaming.NOW};"
    assert all(line.endswith("\\;") for line in lines)
    assert lines[3:] == [
        'ALTER DATABASE "a" RENAME TO "a__previous"\\;',
        'ALTER DATABASE "a__incoming" RENAME TO "a"\\;',
    ]
    assert rest.endswith(f"\\else\n{renaming.NOW};\n\\endif")


def test_the_previous_database_is_renamed_within_the_switch() -> None:
    names = Names("a")
    assert renaming.arrival(names, previous=True).steps[0] == ("a__previous", "a__outdated")
    assert renaming.undoing(names).steps == (
        ("a", "a__outdated"), ("a__previous", "a"), ("a__outdated", "a__previous"),
    )  # fmt: skip


def test_names_are_quoted_wherever_they_stand() -> None:
    assert statements.drop(NASTY.previous) == (
        'DROP DATABASE IF EXISTS "it\'s ""odd""; --__previous" WITH (FORCE);'
    )
    for text in (statements.lease(NASTY), statements.target_facts(NASTY, "r'le")):
        assert "it''s" in text
    assert "'r''le'" in statements.target_facts(NASTY, "r'le")
    # A text within a text: quoted twice.
    step = renaming.undoing(NASTY)
    for text in (renaming.end_all(step, 1), renaming.end_resting(step)):
        assert "it''''s" in text


@pytest.mark.parametrize(
    ("provider", "column", "wanted"),
    [("c", "datlocale", " LOCALE_PROVIDER libc"), ("", "datlocale", ""),
     ("i", "datlocale", " LOCALE_PROVIDER icu ICU_LOCALE 'de'"),
     ("i", "daticulocale", " LOCALE_PROVIDER icu ICU_LOCALE 'de'"),
     ("b", "datlocale", " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'de'")],
)  # fmt: skip
def test_the_new_database_sorts_as_the_live_one(provider: str, column: str, wanted: str) -> None:
    row = {**LIVE, "datlocprovider": provider, column: "de"}
    assert statements.create("new", "me", row) == (
        'CREATE DATABASE "new" OWNER "me" TEMPLATE template0 ENCODING \'UTF8\''
        f" LC_COLLATE 'en_US.utf8' LC_CTYPE 'C'{wanted} CONNECTION LIMIT -1;"
    )


def test_rules_of_the_live_database_for_sorting_stay() -> None:
    row = {**LIVE, "datlocprovider": "i", "datlocale": "de", "daticurules": "&b < a"}
    assert " ICU_LOCALE 'de' ICU_RULES '&b < a' CONNECTION" in statements.create("new", "me", row)


def test_nothing_is_analyzed_where_there_is_nothing() -> None:
    found = statements.analyze(['public."a b"', "b.c"])
    assert found == 'RESET search_path; ANALYZE public."a b", b.c;'
    assert statements.analyze([]) == ""
