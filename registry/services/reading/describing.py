"""Events in words, for the history."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from projections.accounts import TABLE as ACCOUNTS
from projections.credentials import TABLE as CREDENTIALS
from projections.rows import Table
from registry.differences import in_words
from registry.plain import show
from registry.plurals import counted, plural
from registry.rules.account_state import Slot
from registry.rules.stops import what

Data = dict[str, Any]
Previous = dict[str, Any] | None
"""What was before a change; None where only the change is known."""

_CLOCKS_AGREE: Final = dt.timedelta(seconds=5)


def when(recorded_at: dt.datetime, occurred_at: dt.datetime) -> str:
    """The database's time of an event, with the sender's time if the clocks disagree."""
    agree = abs(recorded_at - occurred_at) <= _CLOCKS_AGREE
    return show(recorded_at) + ("" if agree else f" (claimed {show(occurred_at)})")


def describe(event: dict[str, Any]) -> str:
    """An event as a short sentence; an event of an unknown type is shown by its type's name."""
    event_type, data = event["event_type"], event["data"]
    words, changed = _WORDS.get(event_type), _CHANGES.get(event_type)
    try:
        if changed is not None:
            return changed(data, event.get("previous"))
        return str(event_type) if words is None else words(data)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Any role that may append by SQL can append anything; it must not hide the other events.
        return f"{event['event_type']} (malformed)"


def _slot(data: Data) -> str:
    return str(Slot(0, data["exchange"], data.get("subaccount_index"), data["permission"]))


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')}Z"


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


def _details(table: Table, data: Data, previous: Previous) -> str:
    """The details that changed, and how if that is known."""
    said = {name: data[name] for name in table.details if name in data}
    return ", ".join(said) if previous is None else in_words(previous, said)


def _replaced(data: Data, previous: Previous) -> str:
    digests, before = data["fingerprints"], (previous or {}).get("fingerprints") or {}
    told = [
        *(f"{name}#{new[:8]}" for name, new in digests.items() if before.get(name) != new),
        *(f"no {name}" for name in before if name not in digests),
        _details(CREDENTIALS, data, previous),
    ]
    return f"replaced {_slot(data)} version {data['version']}: {', '.join(filter(None, told))}"


def _shared(data: Data) -> str:
    return f"{data['exchange']} of {data['lender']} ({data['sharing_type']})"


def _share_changed(data: Data, previous: Previous) -> str:
    before = "" if previous is None else f", before {_shared({**data, **previous})}"
    return f"may now use {_shared(data)}{before}"


_CHANGES: Final[dict[str, Callable[[Data, Previous], str]]] = {
    "AccountUpdated": lambda data, previous: f"changed {_details(ACCOUNTS, data, previous)}",
    "CredentialReplaced": _replaced,
    "CredentialUpdated": lambda data, previous: (
        f"changed {_slot(data)}, {_details(CREDENTIALS, data, previous)}"
    ),
    "SharingChanged": _share_changed,
}


def _released(data: Data) -> str:
    lender = f" of {data['lender']} ({data['sharing_type']})" if data.get("lender") else ""
    return (
        f"released {_slot(data)}{lender} version {data['credential_version']} "
        f"to {data['account']} on {data['host']} for {data['purpose']}"
    )


def _checked(data: Data) -> str:
    rights = f", may {' and '.join(data['may'])}" if data.get("may") else ""
    differs = f", other {' and '.join(data['differences'])}" if data.get("differences") else ""
    outcome = data["outcome"].replace("_", " ")
    return f"checked {_slot(data)} version {data['version']}: {outcome}{rights}{differs}"


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
    "AccountRenamed": lambda data: f"renamed {data['previous_name']} to {data['account_name']}",
    "AccountDeactivated": lambda _: "deactivated the account",
    "AccountReactivated": lambda _: "reactivated the account",
    "AccountDeleted": lambda data: f"deleted account {data['account_name']}",
    "AccountRestored": lambda data: f"restored account {data['account_name']}",
    "CredentialAdded": _version_words("added"),
    "CredentialPrepared": _version_words("prepared"),
    "CredentialVersionKept": lambda data: (
        f"kept {_slot(data)} version {data['version']} until {_minute(data['usable_until'])}"
    ),
    "CredentialVersionRetired": lambda data: f"retired {_slot(data)} version {data['version']}",
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
    "SharingRevoked": lambda data: f"may not use {_shared(data)} any more",
    "AccessGranted": lambda data: f"gave the role {data['role']} access",
    "AccessRevoked": lambda data: f"took access from the role {data['role']}",
    "CredentialReleased": _released,
    "EnvironmentFallbackUsed": lambda data: (
        f"{data['account']} took {data['exchange']} from the environment on {data['host']}: "
        f"{data['origin']}"
    ),
    "CredentialSecretsDestroyed": _secrets_destroyed,
    "CredentialChecked": _checked,
    "MasterKeyRotated": _master_key_rotated,
    "LegacyAdopted": _adopted,
    "SessionEnded": _session_ended,
    "UseStopped": lambda data: f"stopped {what(data)}",
    "UseResumed": lambda data: f"resumed {what(data)}",
    "ExchangeAdded": lambda data: (
        f"{'defined' if data['fields'] else 'first used'} exchange {data['exchange']}"
    ),
    "ExchangeUpdated": lambda data: f"corrected the definition of exchange {data['exchange']}",
    "ExchangeRemoved": lambda data: f"removed the definition of exchange {data['exchange']}",
}
