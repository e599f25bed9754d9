"""Identifiers. New ids grow with time, so that an index on them grows at its end."""

import os
import time
import uuid
from typing import Final

from registry.events.stored import Stream

_RANDOM_BITS = 62

REGISTRY_STREAM: Final = Stream("registry", uuid.UUID("8f0a5f0e-6f3b-5c52-9a51-0a1f0a7a6a03"))
"""The stream of events about the registry as a whole."""


def new_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562 section 5.7): milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76
    value |= (random >> _RANDOM_BITS & 0xFFF) << 64
    value |= 0b10 << _RANDOM_BITS
    value |= random & (1 << _RANDOM_BITS) - 1
    return uuid.UUID(int=value)


STOPS_STREAM: Final = Stream("stop", uuid.UUID("8f0a5f0e-6f3b-5c52-9a51-0a1f0a7a6a04"))
"""The stream of all stops."""
