"""Pushes that are interrupted, refused and disturbed: nothing is lost, nothing is sent twice."""

import json
import os
import random
import time
from datetime import datetime, timedelta, tzinfo
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from slipway.environment import load
from slipway.objects import clock
from slipway.storage import s3_rules
from tests.conformance import push, relay
from tests.conformance.relay import Gate, Relay, Request
from tests.conformance.site import Site

MEBIBYTE = 1024 * 1024
KILLS = 20


def put(through: Relay) -> list[tuple[str, str]]:
    """Return the names of what was put, and the numbers of parts."""
    paths = [request.path for request in through.seen if request.method == "PUT"]
    split = [path.partition("?") for path in paths]
    return [(unquote(path).split("/", 2)[2], asked.partition("&")[0]) for path, _, asked in split]


def filled(site: Site, count: int = 150) -> dict[str, bytes]:
    wanted = {f"folder {n % 7}/{n}.txt": os.urandom(2000 + n) for n in range(count)}
    wanted["film.bin"] = os.urandom(40 * MEBIBYTE + 7)
    for name, content in wanted.items():
        site.write(name, content)
    long_ago = time.time() - 60
    for path in site.media.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    time.sleep(2.1)  # younger files are not remembered
    return wanted


def test_killed_at_twenty_moments_nothing_is_lost_and_nothing_sent_twice(
    site: Site, through: Relay
) -> None:
    wanted = filled(site)
    dice = random.Random(7)

    def slowly(request: Request) -> None:
        request.delay = 0.02

    through.harm = slowly
    for _ in range(KILLS):
        before = len(through.seen)
        process = site.start(through.endpoint)
        moment = before + dice.randint(1, 20)
        while len(through.seen) < moment and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        through.await_silence()
        for name, content in site.server.contents(site.bucket).items():
            assert content == wanted[name]
    through.harm = lambda _: None
    arrived = set(site.server.keys(site.bucket))
    through.seen.clear()
    said = site.push(through.endpoint)
    assert said.code == 0, said.stderr
    assert site.server.contents(site.bucket) == wanted
    assert said.fields["uploaded"] == len(wanted) - len(arrived)
    sent = put(through)
    assert len(set(sent)) == len(sent)
    missing = wanted.keys() - arrived
    # Of the film, every part may have arrived already.
    assert missing - {"film.bin"} <= {name for name, _ in sent} <= missing
    assert site.server.unfinished(site.bucket) == []


def test_parts_that_had_arrived_are_not_sent_again_after_a_kill(site: Site, through: Relay) -> None:
    wanted = filled(site, 0)
    through.harm = gate = Gate(lambda request: "partNumber=2&" in request.path)
    process = site.start(through.endpoint)
    through.await_answers("partNumber=1&", "partNumber=3&")
    process.kill()
    process.communicate()
    gate.open()
    through.await_silence()
    through.harm = lambda _: None
    through.seen.clear()
    fields = site.push(through.endpoint).fields
    sent = [request for request in through.seen if "partNumber=" in request.path]
    assert ["partNumber=2&" in request.path for request in sent] == [True]
    assert fields["bytes_resumed"] + len(sent[0].body) == len(wanted["film.bin"])
    assert site.server.contents(site.bucket) == wanted


def test_a_server_that_stops_and_returns_is_waited_for(site: Site) -> None:
    wanted = filled(site, 300)
    with relay.relaying(site.server.port) as first:
        port = first.port

        def fall_silent(request: Request) -> None:
            request.cut = 0 if request.number > 60 else -1

        first.harm = fall_silent
        process = site.start(first.endpoint)
        first.await_count(80)
    time.sleep(2)
    with relay.relaying(site.server.port, port=port) as second:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        assert second.seen
    fields = json.loads(stdout)
    assert fields["failed"] == 0
    assert site.server.contents(site.bucket) == wanted


def test_a_tenth_of_refusals_costs_nothing_but_time(site: Site, through: Relay) -> None:
    wanted = filled(site)
    dice = random.Random(3)

    def refuse(request: Request) -> None:
        if dice.random() < 0.1:
            request.answer = 503

    through.harm = refuse
    said = site.push(through.endpoint)
    assert said.fields.items() >= {"uploaded": len(wanted), "failed": 0}.items()
    assert any(request.answer for request in through.seen)
    assert site.server.contents(site.bucket) == wanted


def test_connections_that_break_in_an_answer_are_made_anew(site: Site, through: Relay) -> None:
    wanted = filled(site, 60)
    dice = random.Random(5)

    def cut(request: Request) -> None:
        if request.number and dice.random() < 0.2:
            request.cut = dice.choice([0, 10, 200])

    through.harm = cut
    said = site.push(through.endpoint)
    assert said.code == 0, said.stderr
    assert site.server.contents(site.bucket) == wanted
    assert site.server.unfinished(site.bucket) == []


def test_a_connection_that_breaks_in_a_request_sends_it_again(site: Site, through: Relay) -> None:
    site.write("film.bin", os.urandom(40 * MEBIBYTE))
    site.write("a.txt", b"a")
    broken: set[str] = set()

    def break_once(request: Request) -> None:
        if "partNumber" in request.path and request.path not in broken:
            broken.add(request.path)
            raise ConnectionResetError

    through.harm = break_once
    said = site.push(through.endpoint)
    assert said.code == 0, said.stderr
    assert len(broken) == 3
    assert site.server.contents(site.bucket)["film.bin"] == (site.media / "film.bin").read_bytes()


def test_two_checkouts_may_push_at_once(site: Site, tmp_path: Path, through: Relay) -> None:
    other = Site(tmp_path / "colleague", site.bucket, site.server)
    contents = {f"{n}.txt": os.urandom(500) for n in range(100)}
    for name, content in contents.items():
        site.write(name, content)
        other.write(name, content)
    site.write("mine.bin", b"x" * 20 * MEBIBYTE)
    other.write("theirs.bin", b"y" * 20 * MEBIBYTE)
    through.harm = lambda request: setattr(request, "delay", 0.02)
    first, second = site.start(through.endpoint), other.start(through.endpoint)
    for process in (first, second):
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    there = site.server.contents(site.bucket)
    assert there.keys() == contents.keys() | {"mine.bin", "theirs.bin"}
    assert {name: there[name] for name in contents} == contents
    assert site.server.unfinished(site.bucket) == []


class Ahead(datetime):
    """Tell the time of another day."""

    days = 3

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + timedelta(days=cls.days)


@pytest.mark.parametrize("days", [3, -3])
def test_a_wrong_clock_is_set_right_by_the_servers(
    site: Site, through: Relay, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ahead, "days", days)
    monkeypatch.setattr(clock, "datetime", Ahead)
    site.write("a.txt", b"a")
    site.prepare(through.endpoint)
    assert push.main(str(site.root)) == 0
    assert site.server.contents(site.bucket) == {"a.txt": b"a"}
    dates = {request.headers["x-amz-date"][:8] for request in through.seen}
    assert len(dates) == 2  # the wrong one, then the server's


def test_a_server_that_returns_no_etags_is_asked_for_them_and_read_back(
    site: Site, through: Relay
) -> None:
    wanted = filled(site, 20)
    through.withheld = {"etag"}
    said = site.push(through.endpoint)
    assert said.code == 0, said.stderr
    assert site.server.contents(site.bucket) == wanted


def test_damage_is_noticed_where_the_server_compares_nothing(site: Site, through: Relay) -> None:
    site.write("a.txt", b"content")
    harmed: list[str] = []

    def store_something_else(request: Request) -> None:
        if request.method == "PUT" and not harmed:
            harmed.append(request.path)
            site.server.client.put_object(Bucket=site.bucket, Key="a.txt", Body=b"damaged")
            request.answer = 200

    through.harm = store_something_else
    said = site.push(through.endpoint)
    assert said.code == 0, said.stderr
    assert harmed
    assert site.server.contents(site.bucket) == {"a.txt": b"content"}


def actions_of(request: Request) -> set[str]:
    """Return the rights that a request needs, as AWS lists them."""
    asked = request.path.partition("?")[2]
    if "list-type" in asked:
        return {"s3:ListBucket"}
    if "versions=" in asked.split("&"):
        return {"s3:ListBucketVersions"}
    if request.method == "GET" and "uploadId" in asked:
        return {"s3:ListMultipartUploadParts"}
    if request.method == "DELETE":
        return {"s3:AbortMultipartUpload" if "uploadId" in asked else "s3:DeleteObject"}
    if request.method == "POST" and asked.startswith("delete"):
        return {"s3:DeleteObject"}
    if request.method in {"GET", "HEAD"}:
        return {"s3:GetObject"}
    source = next((v for n, v in request.headers.items() if n.lower() == "x-amz-copy-source"), "")
    of_source = "s3:GetObjectVersion" if "versionId=" in source else "s3:GetObject"
    return {"s3:PutObject", of_source} if source else {"s3:PutObject"}


def test_nothing_is_asked_for_that_the_key_has_no_right_to(site: Site, through: Relay) -> None:
    wanted = filled(site, 20)
    site.write("old.txt", b"old")
    site.write("gone.txt", b"gone")
    site.push(through.endpoint)
    (site.media / "old.txt").rename(site.media / "new.txt")
    (site.media / "gone.txt").unlink()
    delete = ("media:push_media", '{"delete": true, "yes": true}')
    said = site.push(through.endpoint, flow=delete)
    assert (said.fields["copied"], said.fields["deleted"]) == (1, 2)
    assert site.server.contents(site.bucket) == {**wanted, "new.txt": b"old"}
    needed = set().union(*map(actions_of, through.seen))
    assert needed >= {"s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject"}
    assert lacking(site, needed) == []


def lacking(site: Site, needed: set[str]) -> list[str]:
    """Return which of these rights the site's own key has not."""
    rights = s3_rules.app_rights(load("test", site.root).storage)["Statement"]
    allowed = [action for one in rights for action in one["Action"]]
    return [one for one in needed if not any(fnmatch(one, right) for right in allowed)]
