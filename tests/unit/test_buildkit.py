from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.buildkit import network_options, package_index

ADDRESS = "https://me:hush@packages.invalid/simple"


def test_an_open_network_needs_nothing(tmp_path: Path) -> None:
    assert network_options({"HOME": "/root"}, tmp_path / "none.pem") == []


def test_authorities_index_and_proxies_are_handed_over_without_their_addresses(
    tmp_path: Path,
) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    environ = {"PIP_INDEX_URL": ADDRESS, "https_proxy": "http://me:hush@proxy.invalid"}
    words = network_options(environ, ca)
    assert words == [
        "--secret", f"id=ca,src={ca}",
        "--secret", "id=index,env=PIP_INDEX_URL",
        "--build-arg", "https_proxy",
    ]  # fmt: skip


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    for name in ("PIP_INDEX_URL", "PIP_CONFIG_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "shared"))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def found() -> str:
    return package_index()["PIP_INDEX_URL"].reveal()


def test_the_environments_index_comes_before_the_configured_one(
    configured: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(".config/pip/pip.conf", "[global]\nindex-url = https://configured.invalid/%20x\n")
    assert found() == "https://configured.invalid/%20x"
    monkeypatch.setenv("PIP_INDEX_URL", ADDRESS)
    assert found() == ADDRESS
    assert "hush" not in str(package_index())


def test_the_strongest_of_pips_files_counts(
    configured: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number, name in enumerate(["shared/pip", ".pip", "prefix", "given"]):
        configured(f"{name}/pip.conf", f"[global]\nindex-url = https://{number}.invalid\n")
    assert found() == "https://2.invalid"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "given" / "pip.conf"))
    assert found() == "https://3.invalid"
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    assert package_index() == {}


def test_a_file_that_cannot_be_read_leaves_the_others(
    configured: Callable[[str, str], None],
) -> None:
    configured("prefix/pip.conf", "[global]\nindex-url = https://good.invalid\n")
    configured(".config/pip/pip.conf", "no section\n")
    assert found() == "https://good.invalid"
