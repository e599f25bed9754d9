"""A client that sends random commands until it is stopped, as a process of its own.

    python load.py ADDRESS FOLDER NUMBER SEED [ACCOUNT…]

It writes each command to FOLDER/NUMBER.sent before it sends it. It writes the answer to
FOLDER/NUMBER.acknowledged before it continues, so that another process can check the promises.
The file FOLDER/stop ends it. The named accounts are changed too, but they stay, and stay
active.
"""

import contextlib
import json
import logging
import os
import random
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from registry import Registry
from registry.database import patience
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import DatabaseUnavailable, RegistryError
from registry.execution.executor import Invocation, Outcome
from registry.rules.accounts import CreateAccount
from registry.services.changes.credentials import CredentialInput, CredentialService, Mode
from registry.services.changes.slot_tasks import SlotName
from support.credentials import secrets
from support.world import said

SHARED: Final = tuple(f"shared-{number}" for number in range(4))
"""Accounts that all clients change."""

_GENTLE: Final = 0.3
"""The share of commands about accounts that must last, if there are any."""

Command = dict[str, Any]


def main(address: str, folder: str, number: str, seed: str, *lasting: str) -> None:
    """Sends commands until FOLDER/stop exists."""
    patience._LONGEST_PAUSE = 0.2  # type: ignore[misc]  # the server is back soon
    logging.getLogger("registry").setLevel(logging.CRITICAL)
    place, chance = Path(folder), random.Random(int(seed))  # noqa: S311 - the same each time
    client = Client(address, os.environ["CREDENTIAL_ENCRYPTION_KEY"], actor=f"client-{number}@load")
    with (
        (place / f"{number}.sent").open("a") as sent,
        (place / f"{number}.acknowledged").open("a") as acknowledged,
    ):
        for command in random_commands(chance, f"own-{number}", lasting):
            if (place / "stop").exists():
                return
            print(json.dumps(command), file=sent, flush=True)
            answer = client.send_until_answered(command, stop=place / "stop")
            if answer is not None:
                print(json.dumps(answer), file=acknowledged, flush=True)


def random_commands(
    chance: random.Random, own: str, lasting: Sequence[str] = ()
) -> Iterator[Command]:
    """Random commands of every kind about shared accounts and the client's own ones.

    For accounts that must last, only details and secrets are changed.
    """
    names = [*SHARED, *(f"{own}-{number}" for number in range(6))]
    kinds = ["create"] * 3 + ["update"] * 6 + ["rename", "deactivate", "reactivate", "delete"]
    kinds += ["add", "replace", "import", "label", "remove"]
    while True:
        gentle = bool(lasting) and chance.random() < _GENTLE
        yield {
            "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "kind": chance.choice(["update", "replace", "label"] if gentle else kinds),
            "account": chance.choice(lasting if gentle else names),
            "value": f"{chance.getrandbits(64):x}",
        }


@dataclass(slots=True)
class Client:
    """Sends commands like a careful program: after a lost answer, again with the same id."""

    address: str
    master_key: str
    actor: str
    database: SingleConnection | None = None

    def send_until_answered(self, command: Command, stop: Path) -> dict[str, Any] | None:
        """The command's answer: its positions or its refusal; None if stopped."""
        while True:
            try:
                outcome = self.send(command)
            except DatabaseUnavailable:
                if stop.exists():
                    return None
                time.sleep(0.02)
            except RegistryError as error:
                return {"id": command["id"], "refused": error.code, "why": error.message}
            else:
                return {"id": command["id"], "positions": outcome.positions}

    def send(self, command: Command) -> Outcome:
        """Sends the command once.

        Raises:
            RegistryError: it was refused, or its answer was lost.
        """
        if self.database is None:
            self.database = SingleConnection(Target(self.address))
        keyring = MasterKeyring.parse(Secret(self.master_key))
        invocation = Invocation(actor=self.actor, command_id=uuid.UUID(command["id"]))
        return carry_out(self.database, keyring, command, invocation)

    def close(self) -> None:
        """Closes the connection."""
        if self.database is not None:
            with contextlib.suppress(Exception):
                self.database.close()


def carry_out(  # noqa: C901, PLR0911 - a table in the form of code
    database: SingleConnection, keyring: MasterKeyring, command: Command, by: Invocation
) -> Outcome:
    """Calls the service that the command is about."""
    name, value = command["account"], command["value"]
    registry, slot = Registry(database, keyring=keyring), SlotName("aster", 0)
    options = said(by)
    accounts, credentials = registry.accounts, registry.credentials
    fields = {"api_key": f"key-{value}", "secret_key": f"secret-{value}"}
    match command["kind"]:
        case "create":
            return accounts.create(name, description=value, **options)
        case "update":
            return accounts.update(name, description=value, **options)
        case "rename":
            return accounts.rename(name, f"{name}-{value}", **options)
        case "deactivate":
            return accounts.deactivate(name, **options)
        case "reactivate":
            return accounts.reactivate(name, **options)
        case "delete":
            return accounts.delete(name, **options)
        case "label":
            return credentials.update(name, "aster", subaccount=0, label=value, **options)
        case "remove":
            return credentials.remove(name, "aster", subaccount=0, **options)
        case "add":
            return credentials.add(name, "aster", fields, subaccount=0, **options)
        case "replace":
            return credentials.replace(name, "aster", fields, subaccount=0, **options)
        case "import":
            backpack = {"public_key": f"public-{value}", "secret_key": f"secret-{value}"}
            both = [
                CredentialInput(slot, secrets(fields), mode=Mode.MERGE),
                CredentialInput(SlotName("backpack", 0), secrets(backpack), mode=Mode.MERGE),
            ]
            create = CreateAccount(account_name=name)
            service = CredentialService(database, keyring)
            return service.store(name, both, by, verb="import-env", create=create)
    raise ValueError(command["kind"])


if __name__ == "__main__":
    main(*sys.argv[1:])
