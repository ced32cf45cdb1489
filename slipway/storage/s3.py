"""Provide buckets on AWS and on every S3-compatible server."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from slipway import dsn, variables
from slipway.dsn_s3 import REFUSES_CHECKSUMS
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.plan import Action, Change
from slipway.secrets import Secret
from slipway.settings.storage import Storage
from slipway.storage import s3_keeping, s3_proof, s3_removal, s3_rules
from slipway.storage.base import Step
from slipway.storage.s3_bucket import Bucket
from slipway.storage.s3_client import app_client, client, credentials, explained, unsupported
from slipway.storage.s3_keys import Keys
from slipway.storage.s3_reading import Reader
from slipway.storage.s3_rules import State

PUBLIC = "anybody may read an object, nobody may list"
PRIVATE = "objects are private, read by signed URLs"
GIVEN = "made by hand, it is not renewed here, nor kept to this bucket"
BY_HAND = "make a key for the site by hand, and name its profile in storage.site_profile"


class S3Provider:
    """Bring a bucket, its rules and a key of its own into being."""

    def __init__(self, environment: Environment) -> None:
        self.storage = environment.storage
        self.user = f"{environment.stack}-media"
        self.own = s3_rules.own_name(environment.stack)
        self.where = f"storage {self.storage.endpoint or 'AWS'}"
        self.notes: list[str] = []
        self._s3 = client(self.storage, "s3")
        iam = client(self.storage, "iam")
        self._reader = Reader(self.storage, self.user, self._s3, iam)
        self._bucket = Bucket(self.storage, self.own, self._s3, self._reader)
        self._keys = Keys(environment, self.user, iam)
        self._present = _present(environment)
        self._issued: dsn.S3Dsn | None = None
        self._iam = iam
        self._active: frozenset[str] = frozenset()

    def steps(self) -> list[Step]:
        """Read the bucket and its user, and return what differs."""
        with explained(self.where):
            state = self._reader.state(self._present)
        self._refuse_to_share(state)
        self._keys.before, self._active = state.keys, state.active
        self.notes = [
            f"this server has no {part}: {what}"
            for part, what in unsupported(self.storage).items()
            if part in state.unsupported
        ]
        if not state.iam:
            self._take_key_made_by_hand()
            return [*self._bucket_steps(state), *self._keeping_steps(state)]
        return [*self._bucket_steps(state), *self._keeping_steps(state), *self._user_steps(state)]

    def dsn(self) -> dsn.S3Dsn | None:
        """Return the DSN of the key that was just made, or else of the one in the env file."""
        return self._issued or self._present

    def provisioned(self) -> bool:
        """Tell whether the user had a key when the storage was read."""
        return bool(self._keys.before)

    def withdraw(self) -> None:
        """Delete the key that was just made, also where its answer did not arrive."""
        with explained(self.where):
            self._keys.withdraw()
        self._issued = None

    def settle(self) -> None:
        """Delete the user's key that the new one replaces, where nobody can use it any more.

        If only its secret is wrong here, the site may have the right one.
        """
        replaced = self._issued and self._present and self._present.key
        with explained(self.where):
            if replaced and replaced in self._keys.before - self._active:
                self._keys.delete(replaced)
        self._keys.forget()

    def prove(self) -> None:
        """Write, read back through the public URL, check the refusals, and delete."""
        used = self.dsn()
        if used is None:
            raise StorageError(self.where, "there is no key to prove", "run 'invoke provision'")
        with explained(self.where):
            s3_proof.prove(used, app_client(used), own=not self.storage.site_profile)

    def renew(self) -> bool:
        """Make a second key; where an earlier run made it already, that one is used."""
        if not self._keys.before:
            return False
        with explained(self.where):
            for key in self._keys.orphans(self._present):
                self._keys.delete(key)
            self._keys.before = frozenset(self._keys.listed())
            if len(self._keys.before) == 1:
                self._create_key()
            elif not (self._present and self._keys.is_newest(self._present.key)):
                raise StorageError(
                    f"user {self.user}",
                    f"has the keys {', '.join(sorted(self._keys.before))}, and which is older than "
                    "that of the env file is not known",
                    "delete by hand the one that nobody uses, and run it again",
                )
        return True

    def retire(self) -> None:
        """Delete every key of the user but the one in use; leave one that was made by hand."""
        if not self._keys.before:
            return
        used = self.dsn()
        with explained(self.where):
            for key in self._keys.listed():
                if used and key != used.key:
                    self._keys.delete(key)
        self._keys.forget()

    def holds(self) -> int:
        """Count the objects under the prefix, up to 1,000."""
        with explained(self.where):
            return s3_removal.count(self._s3, self.storage)

    def removal(self) -> list[Step]:
        """Return what removes objects, own rules, the bucket if nothing else is in it, the user."""
        with explained(self.where):
            state = self._reader.state(None)
        self._refuse_to_share(state)
        bucket, steps = f"bucket {self.storage.bucket}", []
        if state.bucket:
            what = (
                f"everything under {self.storage.prefix}/" if self.storage.prefix else "all of them"
            )
            empty = partial(s3_removal.empty, self._s3, self.storage)
            steps.append(self._step("delete", f"objects of {bucket}", what, empty))
            steps.append(self._step("delete", bucket, "", partial(self._bucket.remove, self.own)))
        if state.user:
            remove = partial(self._keys.remove_user, s3_rules.POLICY_NAME)
            steps.append(self._step("delete", f"user {self.user}", "with its keys", remove))
        return steps

    def _refuse_to_share(self, state: State) -> None:
        """Refuse a bucket where other environments' files would be this one's too.

        Raises StorageError.
        """
        others = s3_rules.neighbours(state, self.storage, self.own)
        if others:
            where = f"below {self.storage.prefix}/ or around it " if self.storage.prefix else ""
            what = f"holds files of other environments {where}({', '.join(others)})"
            hint = "give this one a bucket of its own or, before its first deploy, a storage.prefix"
            raise StorageError(f"bucket {self.storage.bucket}", what, hint)

    def _bucket_steps(self, state: State) -> list[Step]:
        storage, bucket = self.storage, f"bucket {self.storage.bucket}"
        put, steps = self._bucket, []
        shared = s3_rules.shared(state.policy, storage, self.own)
        if not state.bucket:
            steps.append(self._step("create", bucket, storage.region, put.create))
        if not storage.endpoint and state.ownership != "BucketOwnerEnforced":
            steps.append(self._step("change", bucket, "no ACLs", put.ownership, "ownership"))
        if state.access_block != s3_rules.access_block(storage, shared):
            part = "public access block"
            steps.append(
                self._step("change", bucket, part, partial(put.access_block, shared), part)
            )
        if not s3_rules.same_own(state.policy, storage, self.own):
            action: Action = "change" if s3_rules.statements(storage, self.own) else "delete"
            detail = PUBLIC if storage.public else PRIVATE
            steps.append(self._step(action, f"policy of {bucket}", detail, put.policy, "policy"))
        if not s3_rules.same_cors(state.cors, s3_rules.cors(storage, self.own)):
            detail = f"read from {', '.join(storage.cors_origins)}"
            steps.append(self._step("change", f"CORS of {bucket}", detail, put.cors, "cors"))
        return [step for step in steps if self._possible(step, state)]

    def _keeping_steps(self, state: State) -> list[Step]:
        storage, bucket, put = self.storage, f"bucket {self.storage.bucket}", self._bucket
        steps = []
        if (state.versioning == "Enabled") is not storage.versioning:
            loss = "" if storage.versioning else s3_keeping.LOSES_VERSIONS
            said = "old versions are kept" if storage.versioning else "old versions are not kept"
            steps.append(
                self._step("change", f"versioning of {bucket}", said, put.versioning,
                           "versioning", loss)
            )  # fmt: skip
        rule = s3_keeping.lifecycle(storage, self.own)
        if not s3_keeping.same_lifecycle(state.lifecycle, rule, self.own):
            loss = s3_keeping.loss_by_lifecycle(state, rule, storage)
            steps.append(
                self._step("change", f"lifecycle of {bucket}", put.said_of_lifecycle(),
                           put.lifecycle, "lifecycle", loss)
            )  # fmt: skip
        if storage.encryption and not state.encryption:
            steps.append(
                self._step("change", f"encryption of {bucket}", "AES256", put.encryption,
                           "encryption")
            )  # fmt: skip
        if s3_keeping.with_tags(state.tags, storage) != (state.tags or {}):
            said = ", ".join(f"{name}={value}" for name, value in storage.tags)
            steps.append(self._step("change", f"tags of {bucket}", said, put.tags, "tags"))
        return [step for step in steps if self._possible(step, state)]

    def _user_steps(self, state: State) -> list[Step]:
        user, steps = f"user {self.user}", []
        for key in self._keys.orphans(self._present):
            detail = "left by an interrupted run"
            delete = partial(self._keys.delete, key)
            steps.append(self._step("delete", f"key {key} of {user}", detail, delete))
        if not state.user:
            steps.append(self._step("create", user, "owns the site's key", self._keys.create_user))
        if not s3_rules.same_policy(state.user_policy, s3_rules.app_rights(self.storage)):
            detail = f"objects of {self.storage.bucket} only"
            steps.append(self._step("change", f"rights of {user}", detail, self._put_rights))
        usable = state.key_works and self._present and self._present.key in state.active
        if not usable:
            detail = "goes into DEFAULT_STORAGE_DSN"
            if self._present and self._present.key in state.active:
                detail += f"; {self._present.key}, whose secret here is wrong, stays: 'rotate-keys'"
            steps.append(self._step("create", f"key of {user}", detail, self._create_key))
        return steps

    def _step(
        self, action: Action, resource: str, detail: str, act: Callable[[], object],
        part: str = "", loses: str = "",
    ) -> Step:  # fmt: skip
        change = Change("storage", action, resource, detail, loses)
        return Step(change, partial(self._explain, act), part)

    def _possible(self, step: Step, state: State) -> bool:
        return step.part not in state.unsupported

    def _explain(self, act: Callable[[], object]) -> None:
        with explained(self.where):
            act()

    def _put_rights(self) -> None:
        self._bucket.rights(self._iam, self.user)

    def _create_key(self) -> None:
        key, secret = self._keys.create()
        self._issued = _dsn_of(self.storage, key, secret, self._present)

    def _take_key_made_by_hand(self) -> None:
        if not self.storage.site_profile:
            self.notes.append(f"this server makes no keys for this administrator: {BY_HAND}")
            return
        profile = self.storage.site_profile
        self.notes.append(f"this server makes no keys: the site's is that of {profile}; {GIVEN}")
        found: Any = credentials(self.storage, profile)
        secret = Secret(found.secret_key)
        self._issued = _dsn_of(self.storage, found.access_key, secret, self._present)


def _present(environment: Environment) -> dsn.S3Dsn | None:
    present = variables.present(environment)
    if not isinstance(present, dsn.S3Dsn):
        return None
    return _dsn_of(environment.storage, present.key, present.secret, present)


def _dsn_of(storage: Storage, key: str, secret: Secret, present: dsn.S3Dsn | None) -> dsn.S3Dsn:
    """Return what the settings say, and what was added by hand to the present one."""
    made = dsn.S3Dsn(
        key=key,
        secret=secret,
        bucket=storage.bucket,
        region=storage.region,
        endpoint=storage.endpoint,
        prefix=storage.prefix,
        domain=storage.domain,
        public=storage.public,
        checksum=not storage.endpoint.endswith(REFUSES_CHECKSUMS),
    )
    # What was added for another bucket, or another server, does not fit this one.
    if present is None or (present.bucket, present.endpoint) != (made.bucket, made.endpoint):
        return made
    return replace(
        made,
        checksum=made.checksum and present.checksum,
        url=present.url,
        addressing=present.addressing,
        acl=present.acl,
        cache_control=present.cache_control,
        expire=present.expire,
    )
