"""Events of the registry's own keys."""

from registry.events.registry import RegistryEvent


class MasterKeyRotated(RegistryEvent):
    """Keys were wrapped by another master key; the data that they seal did not change.

    A rotation appends one event for each batch of keys; `remaining` is 0 in the last.
    """

    master_key_id: str
    previous_key_ids: list[str]
    keys: int
    remaining: int
