"""Looks for pieces of secrets in what a verb printed."""

import contextlib
import json
import re

from support.cli import Result

PIECE = 8
VARIABLES = ["ASTER_API_KEY", "ASTER_SECRET_KEY", "BACKPACK_SECRET_KEY", "API_KEY_PRIVATE_KEY"]


def shown_pieces(secrets: list[str], result: Result) -> set[str]:
    """The pieces of secrets that a verb printed; what a text of ours has too is none."""
    out = result.out + result.err
    with contextlib.suppress(json.JSONDecodeError):
        out += json.dumps(json.loads(result.out), ensure_ascii=False)
    ours = re.compile("|".join([*VARIABLES, r"[a-z ]+"]))
    pieces = {
        secret[start : start + PIECE]
        for secret in secrets
        for start in range(len(secret) - PIECE + 1)
    }
    return {piece for piece in pieces if piece in out and not ours.fullmatch(piece)}
