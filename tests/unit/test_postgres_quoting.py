import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.errors import DatabaseError
from slipway.postgres.quoting import connection, identifier, literal

TEXTS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(TEXTS.filter(lambda name: 0 < len(name.encode()) <= 63))
def test_an_identifier_ends_where_its_quotes_end(name: str) -> None:
    quoted = identifier(name)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0
    assert quoted[1:-1].replace('""', '"') == name


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "ü" * 32])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(DatabaseError, match="cannot be a name"):
        identifier(name)


@given(TEXTS)
def test_a_literal_ends_where_its_quotes_end(value: str) -> None:
    quoted = literal(value)
    inner = quoted[3:-1] if quoted.startswith(" E'") else quoted[1:-1]
    assert quoted.endswith("'")
    assert inner.replace("''", "").count("'") == 0
    plain = inner.replace("\\\\", "\\") if quoted.startswith(" E'") else inner
    assert plain.replace("''", "'") == value


@given(TEXTS)
def test_a_backslash_is_never_left_to_escape_a_quote(value: str) -> None:
    quoted = literal(value)
    assert quoted.startswith(" E'") == ("\\" in value)
    assert "\\" not in quoted.replace("\\\\", "")


def test_a_zero_byte_is_refused() -> None:
    with pytest.raises(DatabaseError, match="zero byte"):
        literal("a\0b")


def test_a_database_name_is_not_read_as_settings() -> None:
    assert connection("host=elsewhere").startswith("dbname='host=elsewhere' ")
    # A server that falls silent is noticed.
    assert "connect_timeout=15 keepalives_idle=15" in connection("any")
    assert connection("it's \\ ok").startswith("dbname='it\\'s \\\\ ok' ")
