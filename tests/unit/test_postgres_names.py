import pytest

from slipway.errors import DatabaseError
from slipway.postgres.names import Names


def test_the_three_names() -> None:
    names = Names("myapp")
    assert (names.incoming, names.previous) == ("myapp__incoming", "myapp__previous")


def test_a_name_that_the_server_would_cut_off_is_refused() -> None:
    assert Names("x" * 53)
    with pytest.raises(DatabaseError, match="postgres is where administrators connect"):
        Names("postgres")
    with pytest.raises(DatabaseError, match=r"leaves no room for 'xxx.*up to 53 bytes"):
        Names("x" * 54)
