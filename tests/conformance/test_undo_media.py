"""Undo pushes to a bucket that keeps versions."""

from typing import Any

from slipway.objects.s3_versions import Versions
from tests.conformance.relay import Relay, Request
from tests.conformance.site import Outcome, Site
from tests.conformance.test_push_media_faults import actions_of, lacking


def keep_versions(site: Site) -> Any:
    client = site.server.client
    enabled = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=site.bucket, VersioningConfiguration=enabled)
    return client


def undo(site: Site) -> Outcome:
    return site.flow("undo_media:undo_media", {"yes": True})


def push(site: Site, endpoint: str = "", **options: Any) -> dict[str, Any]:
    return site.flow("media:push_media", {"yes": True, **options}, endpoint).fields


def test_what_the_last_push_overwrote_and_deleted_comes_back(site: Site) -> None:
    client = keep_versions(site)
    for name in ("a.css", "b/Stra\u00dfe.txt", "c.txt", "same.txt"):
        site.write(name, b"first " + name.encode())
    push(site)
    before = site.server.contents(site.bucket)
    site.write("a.css", b"second")
    site.write("new.txt", b"new")
    (site.media / "b/Stra\u00dfe.txt").unlink()
    assert push(site, delete=True)["deleted"] == 1
    assert push(site)["uploaded"] == 0
    said = undo(site)
    assert said.fields.items() >= {"restored": 2, "skipped": 0, "failed": 0}.items()
    assert site.server.contents(site.bucket) == {**before, "new.txt": b"new"}
    kind = client.head_object(Bucket=site.bucket, Key="a.css")["ContentType"]
    assert kind == "text/css"
    assert undo(site).fields["restored"] == 0


def test_what_somebody_wrote_since_stays(site: Site) -> None:
    client = keep_versions(site)
    site.write("a.txt", b"first")
    site.write("b.txt", b"first")
    push(site)
    site.write("a.txt", b"second")
    site.write("b.txt", b"second")
    push(site)
    client.put_object(Bucket=site.bucket, Key="a.txt", Body=b"the site")
    said = undo(site)
    assert said.fields.items() >= {"restored": 1, "skipped": 1}.items()
    assert "a.txt: is not as the last push left it, and stays" in said.stderr
    assert site.server.contents(site.bucket) == {"a.txt": b"the site", "b.txt": b"first"}


def test_what_somebody_deleted_since_stays_deleted_and_parts_come_back(site: Site) -> None:
    client = keep_versions(site)
    large = bytes(17 * 1024 * 1024)
    site.write("a.txt", b"first")
    site.write("film.mp4", large)
    push(site)
    site.write("a.txt", b"second")
    site.write("film.mp4", large + b"more")
    push(site)
    client.delete_object(Bucket=site.bucket, Key="a.txt")
    (site.media / "film.mp4").unlink()
    said = undo(site)
    assert said.fields.items() >= {"restored": 1, "skipped": 1}.items()
    assert site.server.contents(site.bucket) == {"film.mp4": large}


def test_a_bucket_without_versions_says_what_is_possible(site: Site) -> None:
    site.write("a.txt", b"first")
    push(site)
    said = undo(site)
    assert said.code == 5
    assert "keeps no earlier versions" in said.stderr
    assert "set storage.versioning = true" in said.stderr
    assert not Versions(site.dsn()).kept()


def test_a_key_that_may_not_ask_about_versions_uses_those_that_it_sees(
    site: Site, through: Relay
) -> None:
    keep_versions(site)
    site.write("a.txt", b"first")
    push(site, through.endpoint)
    site.write("a.txt", b"second")
    push(site, through.endpoint)

    def harm(request: Request) -> None:
        if request.path.endswith("versioning="):
            request.answer = 403

    through.harm = harm
    said = site.flow("undo_media:undo_media", {"yes": True}, through.endpoint)
    assert said.fields["restored"] == 1
    assert [request.answer for request in through.seen].count(403) == 1
    assert site.server.contents(site.bucket) == {"a.txt": b"first"}


def test_nothing_is_needed_that_the_sites_key_has_no_right_to(site: Site, through: Relay) -> None:
    keep_versions(site)
    site.write("a.txt", b"first")
    push(site, through.endpoint)
    site.write("a.txt", b"second")
    push(site, through.endpoint)
    through.seen.clear()
    said = site.flow("undo_media:undo_media", {"yes": True}, through.endpoint)
    assert said.fields["restored"] == 1
    # Whether versions are kept is asked, too; a refusal of that is lived with.
    needed = [request for request in through.seen if not request.path.endswith("versioning=")]
    rights = set().union(*map(actions_of, needed))
    assert rights == {"s3:ListBucketVersions", "s3:GetObjectVersion", "s3:PutObject"}
    assert lacking(site, rights) == []
