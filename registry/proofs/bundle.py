"""A proof as one file: a signed checkpoint, events, and their paths to its root.

A JSON document `{"format", "about", "checkpoint", "events": [{"position", "leaf", "path"}]}`;
leaves and hashes are in base64. The leaf is the event itself (`registry.log.leaf`), its
encrypted fields included: the file is as confidential as a backup without its keys.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry.errors import InvalidProof
from registry.log.leaf import Leaf, decode
from registry.log.merkle import leaf_hash, root_from_path
from registry.proofs.checkpoint import Checkpoint, read_checkpoint
from registry.proofs.note import Verifier
from registry.shown import shown

FORMAT: Final = "account-registry proof 1"
_HASH_BYTES: Final = 32
_SLOT: Final = {
    "exchange": "exchange",
    "subaccount": "subaccount_index",
    "permission": "permission",
}


@dataclass(frozen=True, slots=True)
class EventProof:
    """An event, and the hashes that lead from it to the root."""

    position: int
    leaf: bytes
    path: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ProvenEvents:
    """The result of a valid proof: these events are in the log of the signed checkpoint."""

    about: dict[str, Any]
    """The subject of the proof, checked against the events; except for the account's name,
    which they do not hold (their `stream_id` is the account's id)."""
    checkpoint: Checkpoint
    events: list[Leaf]


def write_bundle(about: dict[str, Any], note: str, events: Sequence[EventProof]) -> dict[str, Any]:
    """The document of a proof."""
    return {
        "format": FORMAT,
        "about": about,
        "checkpoint": note,
        "events": [
            {
                "position": event.position,
                "leaf": _encode(event.leaf),
                "path": [_encode(node) for node in event.path],
            }
            for event in events
        ],
    }


def verify_bundle(document: Any, verifier: Verifier) -> ProvenEvents:
    """Verifies a proof with a public key; returns the proven events only.

    Raises:
        InvalidProof: a part of the document is malformed, or was changed.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidProof(f"this is not a proof: its format is not {FORMAT!r}")
    note, about, events = (document.get(part) for part in ("checkpoint", "about", "events"))
    if not isinstance(note, str) or not isinstance(about, dict) or not isinstance(events, list):
        raise InvalidProof("this is not a proof: a part is missing")
    if not events:
        raise InvalidProof("the proof holds no event")
    checkpoint = read_checkpoint(note, verifier)
    leaves = [_verify_event(_read_event(event), checkpoint) for event in events]
    positions = [leaf.position for leaf in leaves]
    if positions != sorted(set(positions)):
        raise InvalidProof("the events of the proof are not in the order of the log")
    _check_about(about, leaves)
    return ProvenEvents(about, checkpoint, leaves)


def _verify_event(event: EventProof, checkpoint: Checkpoint) -> Leaf:
    root = root_from_path(leaf_hash(event.leaf), event.position, checkpoint.size, event.path)
    if root != checkpoint.root:
        raise InvalidProof(
            f"the event at position {event.position} is not in the log of the checkpoint: "
            "its path does not lead to the signed root"
        )
    try:
        leaf = decode(event.leaf)
    except ValueError as error:
        raise InvalidProof(f"the event at position {event.position}: {error}") from None
    if leaf.position != event.position:
        raise InvalidProof(f"the event at position {event.position} says {leaf.position} itself")
    return leaf


def _check_about(about: dict[str, Any], leaves: Sequence[Leaf]) -> None:
    if "position" in about and [leaf.position for leaf in leaves] != [about["position"]]:
        raise InvalidProof("the event of the proof is not the one that it is about")
    if unknown := about.keys() - {"position", "account", "credential_ids", *_SLOT}:
        raise InvalidProof(f"the proof says of itself what no proof says: {shown(min(unknown))}")
    wanted = about.get("credential_ids", [])
    if not isinstance(wanted, list):
        raise InvalidProof("this is not a proof: a part is malformed")
    for leaf in leaves:
        data = json.loads(leaf.data)
        other_slot = any(
            about.get(part) not in (None, data.get(field)) for part, field in _SLOT.items()
        )
        if other_slot or ("credential_ids" in about and data.get("credential_id") not in wanted):
            raise InvalidProof(
                f"the event at position {leaf.position} is not about the credential of the proof"
            )


def _read_event(raw: Any) -> EventProof:
    try:
        position, leaf = raw["position"], _decode(raw["leaf"])
        path = [_decode(node) for node in raw["path"]]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise InvalidProof("an event of the proof is malformed") from None
    if type(position) is not int or any(len(node) != _HASH_BYTES for node in path):
        raise InvalidProof("an event of the proof is malformed")
    return EventProof(position, leaf, path)


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
