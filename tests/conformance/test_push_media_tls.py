import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import authority
from tests.conformance.relay import Relay, relaying
from tests.conformance.site import Site


@pytest.fixture
def secured(site: Site, tmp_path: Path) -> Iterator[tuple[Relay, Path]]:
    root, context = authority.make(tmp_path)
    with relaying(site.server.port, context) as relay:
        yield relay, root


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_private_authority_is_trusted_where_the_machine_says_so(
    site: Site, secured: tuple[Relay, Path], variable: str
) -> None:
    relay, root = secured
    site.write("small.txt", b"small")
    site.write("large.bin", os.urandom(17 * 1024 * 1024))
    said = site.push(relay.endpoint, {variable: str(root)})
    assert said.code == 0, said.stderr
    assert sorted(site.server.keys(site.bucket)) == ["large.bin", "small.txt"]
    assert said.fields["requests"] == len(relay.seen)


def test_an_unknown_authority_is_refused_in_one_line(
    site: Site, secured: tuple[Relay, Path]
) -> None:
    relay, _ = secured
    site.write("small.txt", b"small")
    said = site.push(relay.endpoint)
    assert said.code == 5
    assert (
        "shows a certificate that this machine does not trust; put its authority's" in said.stderr
    )
    assert relay.seen == []


def test_plain_http_to_a_tls_port_and_the_reverse_are_explained(
    site: Site, secured: tuple[Relay, Path]
) -> None:
    relay, _ = secured
    site.write("small.txt", b"small")
    said = site.push(site.server.endpoint.replace("http:", "https:"))
    assert said.code == 5
    assert "does not speak TLS; check whether storage.endpoint begins with http" in said.stderr
    said = site.push(relay.endpoint.replace("https:", "http:"))
    assert said.code == 5
    assert "Traceback" not in said.stderr
