"""Let files arrive in a folder of media: beside, compared with their MD5, then by one rename.

This module runs on the host, with the Python that is there and nothing else: it may import the
standard library, and its neighbours volume_*.py that go the same way.
"""

import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from slipway.objects.volume_files import CHUNK, FILE, Files, Refused, Reply, Request, md5

NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Arrivals(Files):
    """Take in whole files, and large ones in parts."""

    def put(self, request: Request, body: bytes) -> Reply:
        """Write a file beside and rename it, if the body has the MD5 that was sent."""
        check(body, request["md5"])
        with self.arriving() as (descriptor, token):
            written(descriptor, body)
            self.land(descriptor, token, request["name"], request["mtime"])
        return {"etag": request["md5"]}, b""

    def begin(self, request: Request, _: bytes) -> Reply:
        """Make room for the parts of a file."""
        token = secrets.token_hex(8)
        os.mkdir(token, 0o700, dir_fd=self.incoming)
        facts = {"name": request["name"], "begun": time.time()}
        self.note(token, "meta", json.dumps(facts).encode())
        return {"upload": token}, b""

    def part(self, request: Request, body: bytes) -> Reply:
        """Keep a part, if the body has the MD5 that was sent."""
        check(body, request["md5"])
        self.note(self.known_upload(request), f"{request['number']}-{request['md5']}", body)
        return {"etag": request["md5"]}, b""

    def parts(self, request: Request, _body: bytes) -> Reply:
        """List the parts that have arrived: number, size, MD5."""
        try:
            folder = self.path(self.known_upload(request))
        except Refused:
            return {"parts": []}, b""
        names = [name for name in os.listdir(folder) if name[0].isdigit()]
        found = []
        for name in names:
            number, _, etag = name.partition("-")
            found.append([int(number), os.stat(f"{folder}/{name}").st_size, etag])
        return {"parts": found}, b""

    def complete(self, request: Request, _: bytes) -> Reply:
        """Make a file of its parts, and rename it."""
        joined = md5()
        with self.claimed(request) as upload, self.arriving() as (descriptor, token):
            for number, wanted in enumerate(request["parts"], 1):
                digest = md5()
                with open(f"{self.path(upload)}/{number}-{wanted}", "rb") as part:
                    copied(part.fileno(), descriptor, digest)
                if digest.hexdigest() != wanted:
                    raise Refused("damaged", "was damaged on the host's disk")
                joined.update(digest.digest())
            self.land(descriptor, token, request["name"], request["mtime"])
            self.drop(upload)
        return {"etag": f"{joined.hexdigest()}-{len(request['parts'])}"}, b""

    def abort(self, request: Request, _: bytes) -> Reply:
        """Remove the parts of a file."""
        with suppress(Refused):
            self.drop(self.known_upload(request))
        return {}, b""

    def unfinished(self, request: Request, _: bytes) -> Reply:
        """List the uploads in parts of one file: identity and when it was begun."""
        found = []
        for token in os.listdir(self.incoming):
            with suppress(OSError, ValueError):
                with open(f"{self.path(token)}/meta", "rb") as file:
                    facts = json.load(file)
                if facts["name"] == request["name"]:
                    found.append([token, facts["begun"]])
        return {"uploads": found}, b""

    def copy(self, request: Request, _: bytes) -> Reply:
        """Copy a file that is still the one that was listed."""
        digest = md5()
        with self.folder(request["source"]) as (folder, leaf):
            source = os.open(leaf, FILE, dir_fd=folder)
        try:
            with self.arriving() as (descriptor, token):
                copied(source, descriptor, digest)
                if digest.hexdigest() != request["etag"]:
                    raise Refused("changed", "changed while it was copied")
                self.land(descriptor, token, request["name"], request["mtime"])
        finally:
            os.close(source)
        return {"etag": digest.hexdigest()}, b""

    @contextmanager
    def arriving(self) -> Iterator[tuple[int, str]]:
        """Open a file that is gone afterwards, unless it landed."""
        token = secrets.token_hex(8)
        descriptor = os.open(token, NEW, 0o600, dir_fd=self.incoming)
        try:
            yield descriptor, token
        finally:
            os.close(descriptor)
            self.drop(token)

    def land(self, descriptor: int, token: str, name: str, mtime: int) -> None:
        """Let a file take its place, once it is on the disk."""
        os.fchown(descriptor, *self.owner)
        os.fchmod(descriptor, 0o644)
        if mtime:
            os.utime(descriptor, ns=(mtime, mtime))
        os.fsync(descriptor)
        with self.folder(name, make=True) as (folder, leaf):
            with suppress(FileNotFoundError):
                there = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISREG(there.st_mode):
                    raise Refused("refused", "a link or a folder of this name is in the way")
            os.replace(token, leaf, src_dir_fd=self.incoming, dst_dir_fd=folder)
            os.fsync(folder)

    def note(self, upload: str, name: str, body: bytes) -> None:
        """Keep a piece of an upload, whole or not at all."""
        folder, beside = self.path(upload), f".{secrets.token_hex(4)}"
        try:
            with open(f"{folder}/{beside}", "wb") as file:
                file.write(body)
            os.replace(f"{folder}/{beside}", f"{folder}/{name}")
        except OSError:
            with suppress(OSError):
                os.unlink(f"{folder}/{beside}")
            raise

    def known_upload(self, request: Request) -> str:
        """Return the upload that a request names."""
        upload = str(request["upload"])
        if not upload.isalnum() or not os.path.exists(f"{self.path(upload)}/meta"):
            raise Refused("gone", "this upload is not known")
        return upload

    @contextmanager
    def claimed(self, request: Request) -> Iterator[str]:
        """Keep an upload from others: a program whose line broke may still be completing it."""
        path = f"{self.path(self.known_upload(request))}/meta"
        try:
            meta = os.open(path, FILE)
        except FileNotFoundError:
            raise Refused("gone", "this upload is not known") from None
        try:
            fcntl.flock(meta, fcntl.LOCK_EX)
            yield self.known_upload(request)
        finally:
            os.close(meta)

    def path(self, upload: str) -> str:
        """Return a path to an upload's folder."""
        return f"/proc/self/fd/{self.incoming}/{upload}"


def check(body: bytes, wanted: str) -> None:
    """Refuse a body that is not what was sent."""
    if md5(body).hexdigest() != wanted:
        raise Refused("damaged", "was damaged on the way")


def copied(source: int, target: int, digest: Any) -> None:
    """Append one open file to another, and to a digest."""
    while chunk := os.read(source, CHUNK):
        digest.update(chunk)
        written(target, chunk)


def written(target: int, data: bytes) -> None:
    """Write all of the data."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]
