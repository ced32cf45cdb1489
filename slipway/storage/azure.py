"""Provide containers on Azure Blob Storage, and on its emulator Azurite."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from dotenv import dotenv_values

from slipway import variables
from slipway.dsn_az import AzDsn
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.plan import Action, Change
from slipway.secrets import Secret
from slipway.storage import azure_proof, azure_rules
from slipway.storage.azure_client import explained, service, unsupported
from slipway.storage.base import Step

CONNECTION, KEY = "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY"
# https://learn.microsoft.com/rest/api/storageservices/set-blob-service-properties
MOST_CORS_RULES = 5
ACCOUNT_KEY = "Azure signs the URLs of private files by the account's key alone, which the site"
ACCOUNT_KEY += " therefore gets: give each environment an account of its own"


class AzureProvider:
    """Bring a container, its access and a signature of its own into being."""

    def __init__(self, environment: Environment) -> None:
        self.storage = environment.storage
        self.name = environment.stack
        self.account, self.endpoint, self._key = _account(environment)
        self.where = f"storage account {self.account}"
        self.notes: list[str] = []
        self._service = service(self.account, self._key, self.endpoint)
        self._container = self._service.get_container_client(self.storage.bucket)
        self._present = _present(environment)
        self._used: AzDsn | None = None
        self._policies: dict[str, Any] = {}
        self._access: str | None = None

    def steps(self) -> list[Step]:
        """Read the container and its access, and return what differs."""
        with explained(self.where):
            access, found = self._read_access()
            cors = self._read_cors()
        self._refuse_to_share()
        self.notes = unsupported(self.storage)
        container = f"container {self.storage.bucket}"
        steps = []
        if not found:
            steps.append(self._step("create", container, self.account, self._create))
        if access != azure_rules.access(self.storage):
            self._refuse_to_change_access()
            said = azure_rules.PUBLIC if self.storage.public else azure_rules.PRIVATE
            steps.append(self._step("change", f"access of {container}", said, self._put_access))
        wanted = azure_rules.cors(self.storage)
        if cors is None or wanted not in cors:
            said = f"read from {', '.join(self.storage.cors_origins)}"
            steps.append(self._step("change", f"CORS of {self.where}", said, self._put_cors))
        return [*steps, *self._key_steps()]

    def dsn(self) -> AzDsn | None:
        """Return the DSN of the signature in use, or None while there is none."""
        return self._used or self._present

    def provisioned(self) -> bool:
        """Tell whether the container had a policy of this environment when it was read."""
        return bool(self._own())

    def withdraw(self) -> None:
        """Leave the policy: its signature can be made again, so that nothing is orphaned."""
        self._used = None

    def settle(self) -> None:
        """Do nothing: a signature dies with its policy, which `retire` takes away."""

    def prove(self) -> None:
        """Write, read back as the public does, check the refusals, and delete."""
        used = self.dsn()
        if used is None:
            raise StorageError(self.where, "there is no key to prove", "run 'invoke provision'")
        with explained(self.where):
            azure_proof.prove(used)

    def renew(self) -> bool:
        """Make a second policy with a signature of its own; an account's key is not replaced.

        Where an earlier run made it already, that one is used.
        """
        if not self.storage.public:
            return False
        with explained(self.where):
            self._read_access()
            own = self._own()
            self._put_key(self._newest() if len(own) > 1 else azure_rules.next_number(own))
        return True

    def retire(self) -> None:
        """Take every own policy away but the one in use: their signatures die with them."""
        used = self.dsn()
        with explained(self.where):
            self._read_access()
            kept = azure_rules.policy_of(used.key.reveal()) if used and used.is_sas else ""
            own = self._own() - {kept}
            self._put_policies({n: p for n, p in self._policies.items() if n not in own})

    def holds(self) -> int:
        """Count the environment's blobs, up to 1,000."""
        with explained(self.where):
            try:
                found = self._container.list_blob_names(name_starts_with=self.storage.folder)
                return sum(1 for _, _ in zip(range(1000), found, strict=False))
            except ResourceNotFoundError:
                return 0

    def removal(self) -> list[Step]:
        """Return what removes the blobs, and the container if nothing of others is in it."""
        with explained(self.where):
            _, found = self._read_access()
        self._refuse_to_share()
        if not found:
            return []
        container = f"container {self.storage.bucket}"
        return [
            self._step("delete", f"blobs of {container}", self.storage.folder, self._empty),
            self._step("delete", container, "with its policies", self._remove),
        ]

    def _refuse_to_share(self) -> None:
        """Refuse a container with others' files where, for want of a prefix, all would be own ones.

        Raises StorageError.
        """
        others = azure_rules.neighbours(self._policies, self.name)
        if others and not self.storage.prefix:
            what = f"holds files of other environments ({', '.join(others)})"
            hint = (
                "give this one a container of its own or, before its first deploy, storage.prefix"
            )
            raise StorageError(f"container {self.storage.bucket}", what, hint)

    def _refuse_to_change_access(self) -> None:
        """Refuse to open or close a container to the public over others' files.

        Raises StorageError.
        """
        others = azure_rules.neighbours(self._policies, self.name)
        if others:
            what = f"is shared with {', '.join(others)}, and public or private as a whole"
            hint = "set storage.public as they have it, or give this one a container of its own"
            raise StorageError(f"container {self.storage.bucket}", what, hint)

    def _key_steps(self) -> list[Step]:
        if not self.storage.public:
            self.notes.append(ACCOUNT_KEY)
            self._used = self._dsn(self._key)
            return self._mark_steps()
        policies = self._own()
        present = self._present.key.reveal() if self._present else ""
        if present and azure_rules.policy_of(present) in policies:
            number = azure_rules.number(azure_rules.policy_of(present))
            if self._signed(number) == self._present and not self._outdated(number):
                return []
        detail = "its signature goes into DEFAULT_STORAGE_DSN"
        act = partial(self._create_key, self._newest())
        return [self._step("create", f"policy of container {self.storage.bucket}", detail, act)]

    def _mark_steps(self) -> list[Step]:
        """Return what tells others that the container is used, where no key needs a policy."""
        if self._own():
            return []
        policy = f"policy of container {self.storage.bucket}"
        return [self._step("create", policy, "marks the environment's files", self._mark)]

    def _mark(self) -> None:
        self._read_access()
        self._put_policies({**self._policies, **self._policy(self._newest())})

    def _outdated(self, number: int) -> bool:
        found = self._policies[azure_rules.policy_name(self.name, number)]
        return set(found.permission or "") != set(azure_rules.RIGHTS)

    def _create_key(self, number: int) -> None:
        self._read_access()
        self._put_key(number)

    def _put_key(self, number: int) -> None:
        self._put_policies({**self._policies, **self._policy(number)})
        self._used = self._signed(number)

    def _policy(self, number: int) -> dict[str, Any]:
        return {azure_rules.policy_name(self.name, number): azure_rules.policy()}

    def _signed(self, number: int) -> AzDsn:
        name = azure_rules.policy_name(self.name, number)
        return self._dsn(azure_rules.sign(self.account, self._key, self.storage.bucket, name))

    def _dsn(self, key: Secret) -> AzDsn:
        storage = self.storage
        made = AzDsn(
            account=self.account,
            key=key,
            container=storage.bucket,
            endpoint="" if self.endpoint.endswith(f".{azure_rules.HOST}") else self.endpoint,
            prefix=storage.prefix,
            domain=storage.domain,
            public=storage.public,
        )
        present = self._present
        if present is None or (present.api, present.container) != (made.api, made.container):
            return made
        # What was added by hand.
        added = (present.url, present.cache_control, present.expire)
        return replace(made, url=added[0], cache_control=added[1], expire=added[2])

    def _newest(self) -> int:
        """Return the highest number of an own policy, or a new one where there is none."""
        own = self._own()
        return max(map(azure_rules.number, own)) if own else azure_rules.next_number(own)

    def _own(self) -> set[str]:
        return {name for name in self._policies if azure_rules.is_own(name, self.name)}

    def _read_access(self) -> tuple[str | None, bool]:
        """Return the public access, and whether there is a container; keep it and its policies."""
        try:
            found = self._container.get_container_access_policy()
        except ResourceNotFoundError:
            self._policies, self._access = {}, None
            return None, False
        self._policies = {one.id: one.access_policy for one in found["signed_identifiers"]}
        self._access = found["public_access"]
        return self._access, True

    def _read_cors(self) -> list[azure_rules.Rule] | None:
        try:
            found = self._service.get_service_properties()["cors"]
        except HttpResponseError as error:
            if error.status_code not in {400, 403, 501}:
                raise
            return None
        return [azure_rules.meaning(rule) for rule in found]

    def _create(self) -> None:
        try:
            self._container.create_container()
        except ResourceExistsError:
            return

    def _put_access(self) -> None:
        self._read_access()
        self._refuse_to_change_access()
        self._access = azure_rules.access(self.storage)
        self._put_policies(self._policies)

    def _put_policies(self, policies: dict[str, Any]) -> None:
        """Write policies; the access goes with them, and stays as it was read."""
        self._container.set_container_access_policy(policies, public_access=self._access)

    def _put_cors(self) -> None:
        present = self._service.get_service_properties()["cors"]
        rule = azure_rules.cors_rule(self.storage)
        own = azure_rules.meaning(rule)
        others = [one for one in present if azure_rules.meaning(one) != own]
        if len(others) == MOST_CORS_RULES:
            what = f"the account has {len(others)} CORS rules of others already, and takes no more"
            raise StorageError(self.where, what, "delete one that nobody needs, in Azure's portal")
        self._service.set_service_properties(cors=[rule, *others])

    def _empty(self) -> None:
        self._read_access()
        self._refuse_to_share()
        for name in list(self._container.list_blob_names(name_starts_with=self.storage.folder)):
            self._container.delete_blob(name, delete_snapshots="include")

    def _remove(self) -> None:
        self._read_access()
        left = next(iter(self._container.list_blob_names()), None)
        others = {n: p for n, p in self._policies.items() if n not in self._own()}
        if left or others:
            self._put_policies(others)
        else:
            self._container.delete_container()

    def _step(self, action: Action, resource: str, detail: str, act: Callable[[], object]) -> Step:
        return Step(Change("storage", action, resource, detail), partial(self._explain, act))

    def _explain(self, act: Callable[[], object]) -> None:
        with explained(self.where):
            act()


def _account(environment: Environment) -> tuple[str, str, Secret]:
    """Return account, address and key; from the environment's variables or a file.

    Raises StorageError.
    """
    storage, values = environment.storage, dict(os.environ)
    path: Path | None = storage.credentials_file
    if path is not None:
        values |= {name: value or "" for name, value in dotenv_values(path).items()}
    parts = dict(part.partition("=")[::2] for part in values.get(CONNECTION, "").split(";") if part)
    key = values.get(KEY) or parts.get("AccountKey", "")
    endpoint = storage.endpoint or parts.get("BlobEndpoint", "").rstrip("/")
    account = azure_rules.account_of(endpoint) or parts.get("AccountName", "")
    if not (key and account):
        raise StorageError(
            "storage", "there are no credentials of an account",
            f"set {CONNECTION}, or storage.endpoint and {KEY}",
        )  # fmt: skip
    return account, endpoint or f"https://{account}.{azure_rules.HOST}", Secret(key)


def _present(environment: Environment) -> AzDsn | None:
    present = variables.present(environment)
    return present if isinstance(present, AzDsn) else None
