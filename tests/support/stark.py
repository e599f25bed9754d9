"""Starknet's signatures, checked without ccxt: the curve, Pedersen's hash, typed data.

Follows https://docs.starkware.co/starkex/crypto/ and SNIP-12, revision 0.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from Crypto.Hash import keccak

Point = tuple[int, int]

_P: Final = 2**251 + 17 * 2**192 + 1
_ORDER: Final = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
_BETA: Final = 0x6F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89
_GENERATOR: Final = (
    0x1EF15C18599971B7BECED415A40F0C7DEACFD9B0D1819E03D723D8BC943CFCA,
    0x5668060AA49730B7BE4801DF46EC62DE53ECD11ABE43A32873000C36E8DC1F,
)
_SHIFT: Final = (
    0x49EE3EBA8C1600700EE1B87EB599F16716B0B1022947733551FDE4050CA6804,
    0x3CA0CFE4B3BC6DDF346D49D06EA0ED34E621062C0E056C1D0405D266E10268A,
)
_PARTS: Final = (
    (
        0x234287DCBAFFE7F969C748655FCA9E58FA8120B6D56EB0C1080D17957EBE47B,
        0x3B056F100F96FB21E889527D41F4E39940135DD7A6C94CC6ED0268EE89E5615,
    ),
    (
        0x4FA56F376C83DB33F9DAB2656558F3399099EC1DE5E3018B7A6932DBA8AA378,
        0x3FA0984C931C9E38113E0C0E47E4401562761F92A7A23B45168F4E80FF5B54D,
    ),
    (
        0x4BA4CC166BE8DEC764910F75B45F74B40C690C74709E90F3AA372F0BD2D6997,
        0x40301CF5C1751F4B971E46C4EDE85FCAC5C59A5CE5AE7C48151F27B24B219C,
    ),
    (
        0x54302DCB0E6CC1C6E44CCA8F61A63BB2CA65048D53FB325D36FF12C49A58202,
        0x1B77B3E37D13504B348046268D8AE25CE98AD783C25561A879DCC77E99C2426,
    ),
)
"""Two points per hashed value: for its low 248 bits, and for the 4 bits above them."""


def _added(first: Point, second: Point) -> Point:
    (x1, y1), (x2, y2) = first, second
    slope = (
        (3 * x1 * x1 + 1) * pow(2 * y1, -1, _P)
        if first == second
        else (y2 - y1) * pow(x2 - x1, -1, _P)
    )
    x3 = (slope * slope - x1 - x2) % _P
    return x3, (slope * (x1 - x3) - y1) % _P


def _times(number: int, point: Point, start: Point | None = None) -> Point:
    """The multiple of the point (of a number above 0), added to `start` if given."""
    result = start
    while number:
        if number & 1:
            result = point if result is None else _added(result, point)
        point = _added(point, point)
        number >>= 1
    assert result is not None
    return result


def pedersen(first: int, second: int) -> int:
    """Pedersen's hash of two field elements."""
    result = _SHIFT
    for value, (low, high) in ((first, _PARTS[:2]), (second, _PARTS[2:])):
        result = _times(value % 2**248, low, result)
        result = _times(value >> 248, high, result)
    return result[0]


def public_key(private_key: int) -> Point:
    """The public point of a private key."""
    return _times(private_key, _GENERATOR)


def is_signed(message: int, signature: tuple[int, int], key: Point) -> bool:
    """Whether the signature of the hash was made with the key."""
    r, s = signature
    assert (key[1] ** 2 - key[0] ** 3 - key[0] - _BETA) % _P == 0
    inverse = pow(s, -1, _ORDER)
    first = _times(message * inverse % _ORDER, _GENERATOR)
    return _times(r * inverse % _ORDER, key, first)[0] % _ORDER == r


def typed_hash(
    domain: Mapping[str, int], name: str, message: Mapping[str, int], account: int
) -> int:
    """The hash of typed data whose members are all field elements."""
    prefix = int.from_bytes(b"StarkNet Message", "big")
    return _chain((prefix, _struct("StarkNetDomain", domain), account, _struct(name, message)))


def felt(text: str) -> int:
    """A short text as a field element."""
    return int.from_bytes(text.encode(), "big")


def _struct(name: str, members: Mapping[str, int]) -> int:
    text = f"{name}({','.join(f'{member}:felt' for member in members)})"
    digest = keccak.new(digest_bits=256, data=text.encode()).digest()
    return _chain((int.from_bytes(digest, "big") % 2**250, *members.values()))


def _chain(values: Sequence[int]) -> int:
    result = 0
    for value in (*values, len(values)):
        result = pedersen(result, value)
    return result
