"""Reach the media on a host's disk, through a small program that runs there over SSH."""

import json
import queue
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

from slipway import ssh
from slipway.command import Shell
from slipway.errors import HostError, SlipwayError, StorageError
from slipway.objects import keys
from slipway.objects.bucket import ChangedError, DamagedError, Download, Meta, ObjectError
from slipway.objects.listing import Object, Part, Unfinished
from slipway.objects.pool import Counter, Observer
from slipway.objects.shards import Listing, by_letters
from slipway.objects.volume_files import OWN
from slipway.settings.hosts import Host

HEAD = struct.Struct(">III")
MODULES = ("volume_files", "volume_arrivals", "volume_service")  # in the order of their imports
CHUNK = 4 * 1024 * 1024
TRIES = 3
PAUSE = 1.0  # s, doubled with every try
AGAIN = "run it again"
BEGINS = b"slipway begins\n"  # what a login shell prints comes before it
START = f"""import json, sys, types
sys.stdout.buffer.write({BEGINS!r})
sys.stdout.buffer.flush()
for name, text in json.loads(sys.stdin.buffer.readline()).items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main()"""
RUN = '[ "$(id -u)" = 0 ] || exec sudo -n python3 -c "$1"; exec python3 -c "$1"'


class Place(NamedTuple):
    """Hold where media lie: the host, the folder, and the file that keeps checksums."""

    host: Host
    folder: str
    cache: str


class Broken(Exception):
    """Tell that the connection ended; what it was asked may have been done or not."""


class VolumeBucket:
    """Behave as a bucket whose objects are the files of a folder on a host."""

    def __init__(self, place: Place, shell: Shell | None = None) -> None:
        self._place = place
        self._shell = shell or Shell()
        self._counter = Counter()
        self._session: Session | None = None
        self._lock = threading.Lock()
        self.observer: Observer | None = None

    @property
    def label(self) -> str:
        """Name host and folder for people."""
        return f"{self._place.host.name}:{self._place.folder.rstrip('/')}"

    @property
    def requests(self) -> int:
        """Return how many requests were made."""
        return self._counter.value

    def refuses(self, name: str) -> str:
        """Say why a name cannot be sent unchanged, or return an empty text."""
        parts = name.split("/")
        if keys.overlong(name):
            return f"its name, or a folder's, is longer than {keys.LONGEST_PART} bytes"
        if any(part.startswith(OWN) for part in parts):
            return f"its name, or a folder's, begins with {OWN}"
        return keys.problem(name)

    def listing(self, seeds: Sequence[str] | None = ()) -> Listing:
        """List every file, with its MD5; raises StorageError."""
        del seeds
        return Listing(by_letters, self._pages())

    def put(self, name: str, body: bytes, meta: Meta, md5: bytes) -> str:
        """Write a file, compared with `md5` on arrival; return its ETag."""
        asked = {"name": name, "mtime": meta.mtime, "md5": md5.hex()}
        return str(self._ask("put", asked, body)[0]["etag"])

    def begin(self, name: str, meta: Meta) -> str:
        """Begin an upload in parts and return its identity, which holds the time to keep."""
        answer, _ = self._ask("begin", {"name": name, "mtime": meta.mtime})
        return f"{answer['upload']}-{meta.mtime}"

    def put_part(self, name: str, upload: str, number: int, body: bytes, md5: bytes) -> str:
        """Write part `number` (from 1), compared with `md5` on arrival; return its ETag."""
        asked = {"name": name, "number": number, "md5": md5.hex(), **_upload(upload)}
        return str(self._ask("part", asked, body)[0]["etag"])

    def parts(self, name: str, upload: str) -> dict[int, Part]:
        """Return the parts that have arrived; none where the upload is not known any more."""
        answer, _ = self._ask("parts", {"name": name, **_upload(upload)})
        return {number: Part(size, etag) for number, size, etag in answer["parts"]}

    def complete(self, name: str, upload: str, parts: Sequence[str]) -> str:
        """Make a file of the parts with these ETags and return the whole's, as S3 has it.

        An answer may be lost, after which the upload is not known any more and the file is there;
        its ETag is then the MD5 of the whole.
        """
        asked = {"name": name, "parts": list(parts), **_upload(upload)}
        try:
            return str(self._ask("complete", asked)[0]["etag"])
        except ChangedError:
            there = self.look(name)
            if there is None:
                raise
            return there.etag

    def abort(self, name: str, upload: str) -> None:
        """Remove the parts of an unfinished upload."""
        self._ask("abort", {"name": name, **_upload(upload)})

    def unfinished(self, name: str) -> Iterator[Unfinished]:
        """List the uploads in parts of a file that nobody finished."""
        for token, begun in self._ask("unfinished", {"name": name})[0]["uploads"]:
            yield Unfinished(name, f"{token}-0", datetime.fromtimestamp(begun, UTC))

    def copy(self, source: Object, name: str, meta: Meta) -> str:
        """Copy a file that is still the one that was listed; return the copy's ETag."""
        asked = {"source": source.name, "etag": source.etag, "name": name, "mtime": meta.mtime}
        return str(self._ask("copy", asked)[0]["etag"])

    def delete(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Delete files; yield name and reason of each that could not be."""
        yield from map(tuple, self._ask("delete", {"names": list(names)})[0]["failed"])

    def read(self, name: str) -> Iterator[bytes]:
        """Read a file, a range at a time."""
        yield from self.fetch(name, "").chunks

    def fetch(self, name: str, etag: str, offset: int = 0) -> Download:
        """Begin to read the file that has this MD5; raises ChangedError, StorageError."""
        answer, body = self._range(name, etag, offset)
        return Download(answer["modified"], self._chunks(name, etag, answer["size"], offset, body))

    def look(self, name: str) -> Object | None:
        """Return what a listing would tell of a file."""
        answer, _ = self._ask("look", {"name": name})
        return Object(name, answer["size"], answer["etag"]) if answer["there"] else None

    def close(self) -> None:
        """End the program on the host."""
        with self._lock:
            if self._session:
                self._session.close()
            self._session = None

    def _pages(self) -> Iterator[Object]:
        last, more = "", True
        while more:
            answer, body = self._ask("page", {"after": last})
            more = answer["more"]
            for last, size, etag in json.loads(body):
                yield Object(last, size, etag)

    def _chunks(self, name: str, etag: str, size: int, begin: int, body: bytes) -> Iterator[bytes]:
        while body:
            yield body
            begin += len(body)
            if begin >= size:
                return
            _, body = self._range(name, etag, begin)

    def _range(self, name: str, etag: str, begin: int) -> tuple[dict[str, Any], bytes]:
        return self._ask("get", {"name": name, "etag": etag, "from": begin, "size": CHUNK})

    def _ask(
        self, operation: str, fields: dict[str, Any], body: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Ask once, and again over a new connection where the first one ended."""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            session = self._open()
            self._counter.add()
            begin = time.perf_counter()
            try:
                answer, data = session.ask({"do": operation, **fields}, body)
            except Broken:
                continue
            if self.observer:
                self.observer.answered(time.perf_counter() - begin, len(body))
            self._raise(answer, fields)
            return answer, data
        raise StorageError(self.label, "the connection ends again and again", AGAIN)

    def _raise(self, answer: dict[str, Any], fields: dict[str, Any]) -> None:
        code = answer.get("error")
        if not code:
            return
        name, what = str(fields.get("name", "")), answer["what"]
        if code == "full":
            raise StorageError(self.label, "has no room left", "make room there, then run it again")
        kinds = {"changed": ChangedError, "damaged": DamagedError, "gone": ChangedError}
        raise kinds.get(code, ObjectError)(name, what, AGAIN)

    def _open(self) -> "Session":
        with self._lock:
            if self._session is None or self._session.over:
                self._session = self._connect()
            return self._session

    def _connect(self) -> "Session":
        """Connect; a host that answered before may be on its way back."""
        tries = TRIES if self._session else 1
        for attempt in range(tries - 1):
            try:
                return Session(self._shell, self._place)
            except HostError:
                time.sleep(PAUSE * 2**attempt)
        return Session(self._shell, self._place)


class Session:
    """Hold one connection; any number of threads may ask at the same time."""

    def __init__(self, shell: Shell, place: Place) -> None:
        self._host = place.host
        command = ssh.remote(place.host, "sh", "-c", RUN, "sh", START)
        self._process = shell.start(command, stdin=subprocess.PIPE, new_session=True)
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[tuple[dict[str, Any], bytes] | None]] = {}
        self._count = 0
        self.over = False
        self._said: list[bytes] = []
        for work in (self._read, self._listen):
            threading.Thread(target=work, daemon=True).start()
        self._greet(place)

    def ask(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for its answer; raises Broken."""
        waiting: queue.SimpleQueue[tuple[dict[str, Any], bytes] | None] = queue.SimpleQueue()
        text = json.dumps(request).encode()
        with self._lock:
            if self.over:
                raise Broken
            self._count += 1
            self._waiting[self._count] = waiting
            self._send(HEAD.pack(self._count, len(text), len(body)) + text, body)
        answer = waiting.get()
        if answer is None:
            raise Broken
        return answer

    def close(self) -> None:
        """End the program on the host, and wait for its end."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def _send(self, head: bytes, body: bytes) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(head)
            self._process.stdin.write(body)
            self._process.stdin.flush()
        except OSError:
            self.over = True
            raise Broken from None

    def _greet(self, place: Place) -> None:
        """Send the program itself and the first request; raises HostError, StorageError."""
        sources = {
            f"slipway.objects.{name}": Path(
                str(import_module(f"slipway.objects.{name}").__file__)
            ).read_text(encoding="utf-8")
            for name in MODULES
        }
        try:
            with self._lock:
                self._send(json.dumps(sources).encode() + b"\n", b"")
            answer, _ = self.ask({"root": place.folder, "cache": place.cache}, b"")
        except Broken:
            raise self._refusal() from None
        if answer.get("error"):
            where = f"{place.host.name}: {place.folder}"
            raise StorageError(where, answer["what"], "run 'invoke provision'")

    def _refusal(self) -> SlipwayError:
        code = self._process.wait()
        said = b"".join(self._said).decode(errors="replace")
        if code == 255:
            return ssh.refusal(self._host, said)
        if code == 127:
            return HostError(self._host.name, "has no python3", "run 'invoke provision'")
        lines = said.strip().splitlines() or [f"ended with {code}"]
        return HostError(self._host.name, lines[-1], "try it with ssh")

    def _read(self) -> None:
        source = self._process.stdout
        assert source
        try:
            _pass_over(source)
            while len(head := source.read(HEAD.size)) == HEAD.size:
                number, length, size = HEAD.unpack(head)
                text, body = source.read(length), source.read(size)
                if len(text) + len(body) < length + size:
                    break
                self._waiting.pop(number).put((json.loads(text), body))
        finally:
            with self._lock:
                self.over = True
                waiting, self._waiting = self._waiting, {}
            for one in waiting.values():
                one.put(None)

    def _listen(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self._said.append(line)


def _pass_over(source: IO[bytes]) -> None:
    """Read up to the beginning of the program, or to the end."""
    last = b""
    while last != BEGINS and (byte := source.read(1)):
        last = (last + byte)[-len(BEGINS) :]


def _upload(identity: str) -> dict[str, Any]:
    token, _, mtime = identity.partition("-")
    # Another storage's, which the environment had before, is one that no host knows.
    return {"upload": token, "mtime": int(mtime) if mtime.removeprefix("-").isdecimal() else 0}
