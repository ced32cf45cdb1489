"""Keep media on the first host's own disk, served by the proxy at /media/."""

import uuid
from functools import partial

from slipway import probe, ssh
from slipway.command import Shell
from slipway.dsn import FileDsn
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.plan import Change
from slipway.storage.base import Step
from slipway.storage.reading import FOLDER, read_back, refused

MEDIA = FileDsn("/data/media/", "/media/")
OWNER = "1000:1000"
# Prints what is there: the folder's owner, and how many files, up to 1,000.
LOOK = 'stat -c %u:%g "$0" && find "$0" -type f | head -n 1000 | wc -l'
WRITE = 'install -d -o 1000 -g 1000 "${0%/*}" && cat > "$0" && chown 1000:1000 "$0"'


class VolumeProvider:
    """Make the folder that the site sees as /data/media; Ansible and the proxy do the rest."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.host = environment.manager
        self.folder = f"/srv/slipway/{environment.stack}/data/media"
        self.where = f"{self.host.name}: {self.folder}"
        self.notes: list[str] = []
        self._root = () if self.host.user == "root" else ("sudo", "-n")

    def steps(self) -> list[Step]:
        """Look at the folder, and return what differs."""
        storage = self.environment.storage
        self.notes = []
        if storage.versioning:
            self.notes.append("a volume keeps no old versions: what is overwritten is lost at once")
        if len(self.environment.hosts) > 1:
            self.notes.append(
                f"the files are on {self.host.name} alone: take s3 or azure for more than one host"
            )
        owner, _ = self._look()
        if owner == OWNER:
            return []
        make = partial(self._run, "install", "-d", "-o", "1000", "-g", "1000", self.folder)
        said = "owned by the site" if owner else "served at /media/"
        change = Change("storage", "change" if owner else "create", self.where, said)
        return [Step(change, make)]

    def dsn(self) -> FileDsn:
        """Return the DSN of the folder; there is no key."""
        return MEDIA

    def provisioned(self) -> bool:
        """Tell whether the folder holds files of an earlier time."""
        return self._look()[1] > 0

    def withdraw(self) -> None:
        """Do nothing: there is no key."""

    def settle(self) -> None:
        """Do nothing: there is no key."""

    def prove(self) -> None:
        """Write a file, read it back through the proxy, try to list the folder, and delete it."""
        name = f"{FOLDER}/{uuid.uuid4().hex} é+%.txt"
        body = uuid.uuid4().hex.encode()
        self._run("sh", "-c", WRITE, f"{self.folder}/{name}", stdin=body)
        try:
            read_back(MEDIA.url_of(name), body, self._get)
            listing = f"{MEDIA.url}{FOLDER}/"
            refused(listing, "anybody may list the folder", {401, 403, 404}, self._get)
        finally:
            self._run("rm", "-rf", f"{self.folder}/{FOLDER}")

    def _get(self, path: str) -> tuple[int, bytes]:
        """Ask this host's own proxy: the site's name may lead elsewhere, or nowhere yet."""
        answer = probe.ask(self.environment.site, self.host, path=path)
        return answer.status, answer.text.encode()

    def renew(self) -> bool:
        """Return that a folder knows no keys."""
        return False

    def retire(self) -> None:
        """Do nothing: there is no key."""

    def holds(self) -> int:
        """Count the files, up to 1,000."""
        return self._look()[1]

    def removal(self) -> list[Step]:
        """Return what removes the folder with all its files."""
        if not self._look()[0]:
            return []
        change = Change("storage", "delete", self.where, "with all its files")
        return [Step(change, partial(self._run, "rm", "-rf", self.folder))]

    def _look(self) -> tuple[str, int]:
        look = (*self._root, "sh", "-c", LOOK, self.folder)
        found = ssh.run(Shell(), self.host, *look, check=False)
        words = found.stdout.split()
        return (words[0], int(words[1])) if len(words) == 2 else ("", 0)

    def _run(self, *words: str, stdin: bytes | None = None) -> None:
        result = ssh.run(Shell(), self.host, *self._root, *words, stdin=stdin, check=False)
        if result.code != 0:
            raise StorageError(self.where, result.last_words, "check the host's disk and rights")
