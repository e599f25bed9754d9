"""Events of the registry's own keys."""

from registry.events.registry import RegistryEvent


class MasterKeyRotated(RegistryEvent):
    """Keys were put under another master key; what they seal stayed as it was.

    A rotation is one such event for each batch of keys; `remaining` is 0 in its last one.
    """

    master_key_id: str
    previous_key_ids: list[str]
    keys: int
    remaining: int
