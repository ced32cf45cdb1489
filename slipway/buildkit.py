"""Give an image build what this machine's network asks for, and leave none of it in the image."""

import os
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from contextlib import suppress
from pathlib import Path

from slipway.secrets import Secret

CA = Path("/etc/ssl/certs/ca-certificates.crt")
INDEX = "PIP_INDEX_URL"
NPM = "NPM_CONFIG_REGISTRY"
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def network_options(environ: Mapping[str, object], ca: Path = CA) -> list[str]:
    """Return the options of `docker buildx build` for this network (pure but for one stat).

    The certificate authorities are the secret `ca`, package indexes of one's own are the
    secrets `index` (Python) and `npm`; proxies are taken from the environment, so no address is
    in argv.
    """
    words = ["--secret", f"id=ca,src={ca}"] if ca.is_file() else []
    for name, variable in (("index", INDEX), ("npm", NPM)):
        if environ.get(variable):
            words += ["--secret", f"id={name},env={variable}"]
    for name in PROXIES:
        if environ.get(name):
            words += ["--build-arg", name]
    return words


def package_index() -> dict[str, Secret]:
    """Return the package index that pip is configured for, as a variable; else nothing."""
    if os.environ.get(INDEX):
        return {INDEX: Secret(os.environ[INDEX])}
    found = ConfigParser(interpolation=None)
    for path in pip_files(os.environ):
        with suppress(ConfigParserError, UnicodeDecodeError):
            found.read(path, encoding="utf-8")
    address = found.get("global", "index-url", fallback="")
    return {INDEX: Secret(address)} if address else {}


def pip_files(environ: Mapping[str, str]) -> list[Path]:
    """List where pip looks for its configuration, the strongest last (pure).

    To ask pip itself takes most of a second. Source: pip's documentation, "Configuration".
    """
    given = environ.get("PIP_CONFIG_FILE", "")
    if given == os.devnull:
        return []
    home = Path(environ.get("HOME", "/nonexistent"))
    own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    shared = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    found = [*(Path(folder) / "pip" for folder in shared), Path("/etc")]
    found += [home / "Library" / "Application Support" / "pip", home / ".pip", own / "pip"]
    found += [Path(sys.prefix)]
    return [*(folder / "pip.conf" for folder in found), *([Path(given)] if given else [])]
