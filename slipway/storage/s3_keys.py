"""Make and delete the site's key; a note on disk tells the next run what a killed one made."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from slipway.dsn import S3Dsn
from slipway.environment import Environment
from slipway.secrets import Secret
from slipway.storage.s3_client import Api, absent, code_of


class Keys:
    """Work on the keys of one user; `before` are those that were there when it was read."""

    def __init__(self, environment: Environment, user: str, iam: Api) -> None:
        self.user, self.iam = user, iam
        self.before: frozenset[str] = frozenset()
        self.made = ""
        self._asked = False
        self._note = environment.root / ".state" / f"{environment.name}-key.json"

    def listed(self) -> list[str]:
        """Return the ids of the user's keys."""
        found = absent(self.iam.list_access_keys, UserName=self.user) or {}
        return [key["AccessKeyId"] for key in found.get("AccessKeyMetadata", ())]

    def is_newest(self, key: str) -> bool:
        """Tell whether an earlier rotation made this key: by its note, or by the server's dates."""
        if key not in self._noted({key}):
            return True
        found = absent(self.iam.list_access_keys, UserName=self.user) or {}
        dates = {one["AccessKeyId"]: one.get("CreateDate") for one in found["AccessKeyMetadata"]}
        mine = dates.pop(key, None)
        return mine is not None and all(date is not None and date < mine for date in dates.values())

    def create(self) -> tuple[str, Secret]:
        """Make a key; what was there before is noted first, for a run that is killed."""
        self._asked = True
        note: dict[str, object] = {"user": self.user, "before": sorted(self.before)}
        _write(self._note, note)
        key = self.iam.create_access_key(UserName=self.user)["AccessKey"]
        self.made = key["AccessKeyId"]
        _write(self._note, {**note, "made": self.made})
        return self.made, Secret(key["SecretAccessKey"])

    def delete(self, key: str) -> None:
        """Delete a key; one that is gone already is no error."""
        absent(self.iam.delete_access_key, UserName=self.user, AccessKeyId=key)

    def withdraw(self) -> None:
        """Delete the key that was just made, also where its answer did not arrive."""
        if self._asked:
            for key in {self.made} if self.made else set(self.listed()) - self.before:
                self.delete(key)
        self._asked, self.made = False, ""
        self.forget()

    def orphans(self, present: S3Dsn | None) -> list[str]:
        """Return the key that a killed run made and nobody holds, if there is one.

        What it is called is noted once the server has answered. Where no answer came it is the
        only one that was not there before; but where the env file's own key is gone, somebody
        else has replaced it since, and the unknown one may be theirs.
        """
        noted = self._read()
        if noted is None or (present and not noted.get("made") and present.key not in self.before):
            return []
        unknown = self.before - set(noted.get("before", ())) - ({present.key} if present else set())
        made = noted.get("made")
        found = unknown & {made} if made else unknown
        return sorted(found) if len(found) == 1 else []

    def _noted(self, unknown: Collection[str]) -> set[str]:
        """Return the keys from before the last one was made; without a note, `unknown`."""
        noted = self._read()
        return set(unknown) if noted is None else set(noted.get("before", ()))

    def _read(self) -> dict[str, Any] | None:
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return dict(noted) if noted.get("user") == self.user else None

    def forget(self) -> None:
        """Take the note away: the key has reached the env file, or is gone."""
        self._note.unlink(missing_ok=True)

    def remove_user(self, policy_name: str) -> None:
        """Delete the user with its keys and rights."""
        for key in self.listed():
            self.delete(key)
        absent(self.iam.delete_user_policy, UserName=self.user, PolicyName=policy_name)
        absent(self.iam.delete_user, UserName=self.user)
        self.forget()

    def create_user(self) -> None:
        """Make the user if it is missing."""
        try:
            self.iam.create_user(UserName=self.user)
        except ClientError as error:
            if code_of(error) != "EntityAlreadyExists":
                raise


def _write(path: Path, noted: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(noted), encoding="utf-8")
