from pathlib import Path

import pytest

from slipway import debian
from slipway.command import Command, Result, Shell
from slipway.errors import CommandError, SlipwayError

TARGETS = """\
bookworm main http://mirror.invalid/debian/
bookworm contrib http://mirror.invalid/debian/
bookworm-updates main http://mirror.invalid/debian/
bookworm-backports main http://mirror.invalid/debian/
bookworm-security main http://security.invalid/debian-security/
"""


class Apt(Shell):
    def __init__(self, says: str = "", fails: bool = False) -> None:
        self.says, self.fails = says, fails

    def run(self, command: Command, **_: object) -> Result:
        if self.fails:
            raise CommandError(command.name, "is not installed")
        return Result(0, self.says, "")


def test_the_machines_mirrors_serve_the_wanted_release() -> None:
    assert debian.sources(TARGETS) == [
        "deb http://mirror.invalid/debian/ trixie main",
        "deb http://mirror.invalid/debian/ trixie-updates main",
        "deb http://security.invalid/debian-security/ trixie-security main",
    ]


def test_the_first_of_two_mirrors_is_used() -> None:
    twice = "trixie main http://a.invalid/\ntrixie main http://b.invalid/\n"
    assert debian.sources(twice) == ["deb http://a.invalid/ trixie main"]


def test_a_list_of_mirrors_is_followed(tmp_path: Path) -> None:
    (tmp_path / "mirrors").write_text("https://first.invalid/debian\nhttps://second.invalid/\n")
    targets = f"bookworm main mirror+file:{tmp_path}/mirrors/\n"
    assert debian.sources(targets) == ["deb https://first.invalid/debian trixie main"]


@pytest.mark.parametrize("targets", ["", "bookworm-security main http://mirror.invalid/\n"])
def test_a_machine_without_mirror_is_told_what_to_do(targets: str) -> None:
    with pytest.raises(SlipwayError, match="knows no Debian mirror; use a machine with Debian"):
        debian.sources(targets)


def test_a_password_in_a_mirrors_address_stays_out_of_images() -> None:
    with pytest.raises(SlipwayError) as caught:
        debian.sources("bookworm main https://me:hush@mirror.invalid/\n")
    assert "password" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_the_root_file_system_is_made_from_these_sources() -> None:
    command = debian.bootstrap(Apt(TARGETS), Path("/files"), Path("/root.tar"))
    assert command.argv[-3:] == ("trixie", "/root.tar", "-")
    assert command.stdin == "\n".join(debian.sources(TARGETS)).encode()


def test_where_there_is_no_apt_the_reason_is_given() -> None:
    with pytest.raises(SlipwayError, match="apt: is not there to build base images"):
        debian.bootstrap(Apt(fails=True), Path("/files"), Path("/root.tar"))
