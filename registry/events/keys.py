"""Events of the registry's own keys. They belong to its one stream of type `registry`."""

from registry.events.base import EventModel


class MasterKeyRotated(EventModel):
    """Keys were put under another master key; what they seal stayed as it was.

    A rotation is one such event for each batch of keys; `remaining` is 0 in its last one.
    """

    master_key_id: str
    previous_key_ids: list[str]
    keys: int
    remaining: int
