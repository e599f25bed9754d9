"""Events in words, for the history."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from registry.commands._output import show
from registry.plurals import counted, plural

Data = dict[str, Any]

_CLOCKS_AGREE: Final = dt.timedelta(seconds=5)


def when(recorded_at: dt.datetime, occurred_at: dt.datetime) -> str:
    """The database's time of an event, with the sender's time if the clocks disagree."""
    agree = abs(recorded_at - occurred_at) <= _CLOCKS_AGREE
    return show(recorded_at) + ("" if agree else f" (claimed {show(occurred_at)})")


def describe(event: dict[str, Any]) -> str:
    """An event as a short sentence; for an unknown type, the type's name."""
    words = _WORDS.get(event["event_type"])
    if words is None:
        return str(event["event_type"])
    try:
        return words(event["data"])
    except (KeyError, TypeError, ValueError, AttributeError):
        # Any role that may append by SQL can append anything; it must not hide the other events.
        return f"{event['event_type']} (malformed)"


def _slot(data: Data) -> str:
    subaccount = data.get("subaccount_index")
    permission = "" if data.get("permission") == "full" else f" ({data.get('permission')})"
    return (
        f"{data['exchange']}{'' if subaccount is None else f' subaccount {subaccount}'}{permission}"
    )


def _version_words(verb: str) -> Callable[[Data], str]:
    def words(data: Data) -> str:
        values = ", ".join(f"{name}#{digest[:8]}" for name, digest in data["fingerprints"].items())
        done = "adopted" if data.get("origin") == "legacy" else verb
        return f"{done} {_slot(data)} version {data['version']}: {values}"

    return words


def _positions(data: Data) -> str:
    return counted(len(data["positions"]), "position")


def _rebuilt(data: Data) -> str:
    rows = sum(sum(counts.values()) for counts in data["tables"].values())
    return f"rebuilt the tables: {counted(rows, 'row')} repaired"


_IDENTITY: Final = {"credential_id", "exchange", "exchange_id", "subaccount_index", "permission"}


def _credential_updated(data: Data) -> str:
    return f"changed {', '.join(name for name in data if name not in _IDENTITY)} of {_slot(data)}"


def _shared(data: Data) -> str:
    return f"{data['exchange']} of {data['lender']} ({data['sharing_type']})"


def _released(data: Data) -> str:
    lender = f" of {data['lender']} ({data['sharing_type']})" if data.get("lender") else ""
    return (
        f"released {_slot(data)}{lender} version {data['credential_version']} "
        f"to {data['account']} on {data['host']} for {data['purpose']}"
    )


def _secrets_destroyed(data: Data) -> str:
    versions = data["versions"]
    listed = f"{plural(len(versions), 'version')} {', '.join(map(str, versions))}"
    return f"destroyed the secrets of {_slot(data)} {listed}"


def _master_key_rotated(data: Data) -> str:
    return (
        f"put {counted(data['keys'], 'key')} under master key {data['master_key_id']}, "
        f"{data['remaining']} remain"
    )


def _session_ended(data: Data) -> str:
    since = f" since {data['since'][:19].replace('T', ' ')}Z" if data.get("since") else ""
    return f"ended session {data['pid']} of {data['role']}, which held the log{since}"


def _adopted(data: Data) -> str:
    counts = ", ".join(f"{rows['adopted']:,} {table}" for table, rows in data["tables"].items())
    return f"adopted the legacy tables: {counts}"


_WORDS: Final[dict[str, Callable[[Data], str]]] = {
    "AccountCreated": lambda data: (
        f"{'adopted' if data.get('origin') == 'legacy' else 'created'} account "
        f"{data['account_name']}"
    ),
    "AccountUpdated": lambda data: f"changed {', '.join(data)}",
    "AccountRenamed": lambda data: f"renamed {data['previous_name']} to {data['account_name']}",
    "AccountDeactivated": lambda _: "deactivated the account",
    "AccountReactivated": lambda _: "reactivated the account",
    "AccountDeleted": lambda data: f"deleted account {data['account_name']}",
    "AccountRestored": lambda data: f"restored account {data['account_name']}",
    "CredentialAdded": _version_words("added"),
    "CredentialReplaced": _version_words("replaced"),
    "CredentialUpdated": _credential_updated,
    "CredentialDeactivated": lambda data: f"deactivated {_slot(data)}",
    "CredentialReactivated": lambda data: f"reactivated {_slot(data)}",
    "CredentialRemoved": lambda data: f"removed {_slot(data)}",
    "PositionsLinked": lambda data: f"linked {_positions(data)}",
    "PositionsUnlinked": lambda data: f"unlinked {_positions(data)}",
    "ProjectionsRebuilt": _rebuilt,
    "SchemaTakenDown": lambda _: "took the tables down (the log stays)",
    "SharingGranted": lambda data: (
        f"may use {_shared(data)}{', adopted' if data.get('origin') == 'legacy' else ''}"
    ),
    "SharingChanged": lambda data: f"may now use {_shared(data)}",
    "SharingRevoked": lambda data: f"may not use {_shared(data)} any more",
    "AccessGranted": lambda data: f"gave the role {data['role']} access",
    "AccessRevoked": lambda data: f"took access from the role {data['role']}",
    "CredentialReleased": _released,
    "EnvironmentFallbackUsed": lambda data: (
        f"{data['account']} took {data['exchange']} from the environment on {data['host']}: "
        f"{data['origin']}"
    ),
    "CredentialSecretsDestroyed": _secrets_destroyed,
    "MasterKeyRotated": _master_key_rotated,
    "LegacyAdopted": _adopted,
    "SessionEnded": _session_ended,
    "ExchangeAdded": lambda data: f"defined exchange {data['exchange']}",
}
