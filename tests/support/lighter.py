"""Lighter's signatures, checked with neither ccxt nor Lighter's own library.

Schnorr's scheme on the curve ecGFp5 with the hash Poseidon2; constants and encodings are from
https://github.com/elliottech/poseidon_crypto. Nothing here is fast or resists side channels.
"""

from collections.abc import Sequence
from typing import Final

_P: Final = 2**64 - 2**32 + 1
_ORDER: Final = int(
    "10679935167171469510414849165717927027450577405817272301591396"
    "85185762082554198619328292418486241"
)
_ROUND_CONSTANTS: Final = """
    d70193d17ab3b7d6 a2c3662a78a9162b 7a9fda827556ad44 e8d5501818c99643 4c7a8fced4d5fd38
    55ab38985c0c513d 28a17bd016210b0b 8f8277679ec32fa8 768b3c3d68a460e9 872a022eb559d941
    d1316dd4b3b97973 a7b608e578321000 3fa02c87b0bee026 7a38f0022e13c31e 00c054f3c5e8d20d
    439f50f4bca7242f 4d0938aa57cd517f b2e03ac5fb6b9a7d e29d1f4237bedca8 05b7c844bc99b848
    91cc0b73f34e17ed 876e4427694bd755 67002ae0725c612d 05351f20e0b6315f 2e3b9ef5457eb60b
    d9ac17618c3783dd 0807528ad8874bcf c78d546a455d2a0e f8b930c81e2481f0 712707d8dff3b041
    dcb8c0aa0b9d34c3 9baddbdf2ee3a468 2dd16d50c5176c78 89eac5cfbc075cd3 2a741dea181587f3
    1a4d6aa85a113d84 4d736286a2387e34 8bad5dfc4fcb3ee3 84fbd03adb77c56a 8d5cdd1a23ec53a2
    036f08f08fff28ec b717a3f4dbdfb443 58a074b5509d645c f92bf834e4b87718 1541c3a0baa5ac4b
    22149e6783e67692 9be8b5d9e112476f 41e0969f62babb76 bc585ad3b9443dbb f28dd3206975cbb1
    dd8815e53ca045e0 de82c416b9e701ba c5cb875233afa025 7212697cd897ffa9 67844790aa63cfd7
    dc0b9cfa97fe65c3 e8fe091869a82070 62902bb2e413c6d1 29f9f5001fb84f57 be1014796ef5f8be
    71feb53e9bdba19c 251054f592ebb71c e1a57643a4bb284b a4ba6f87a45b739b 2c1fcade0b958c49
    bbb424cda9a3e360 2ca647354c5f3f54 c9277b64d152e084 dbc9ac97445eff17 6f6cdf3198969f70
    1de29d14fa76d8f1 73337458a8cc1d19 b87e775e2fb3ab23 f166a1c7a565c80b b24be06f426c747f
    c281e8c49482ce00 51974c3b3b726c2d 87444cf8caf7d619 7c362f827a580ced 9567af14667647a0
    cbf0473cbec54e37 e3209dedeff4f620 d43ad94e45a4c4ee 976981ee73f41768 ef707a224e207258
    2fc779e10e6362ee 29b5ee60ad8c891f 96b37b39d8bfd667 877df68a8b22e733 5c41746f562c8d9f
    0c9d76751052b71a fb3465341bf1c087 a0d14dc614d15eb1 dc27d17136906fa6 482e163b05ec397f
    0273a462992366ef
"""
_PARTIAL_CONSTANTS: Final = """
    a571418d95897b60 8f32676574fcf6d3 731102d4e3fb1bbe 0330f08328a82d2b 7f0449b6557f785d
    62f06210658dcbcb d5a98af9f89c458b 77ec69083a346385 ef7ca48bbc27f890 53e9652f61eac532
    a71c634abff4f0cc b16f5f0d7e28ea29 c9dde31d0a003ab2 2ddadf9775902533 e4fa73fb16408b47
    90242ebc00d2ee59 bb02dffd9f381982 dea328364c50907c 1395d3b924857cf8 7d3ead0d5aec04e6
    c2f12be3fed74668 0ba3c338f8c3d285
"""
_DIAGONAL: Final = """
    c3b6c08e23ba9300 d84b5de94a324fb6 0d0c371c5b35b84f 7964f570e7188037 5daf18bbd996604b
    6743bc47b9595257 5528b9362c59bb70 ac45e25b7127b68b a2077d7dfbb606b5 f3faac6faee378ae
    0c6388b51545e883 d27dbb6944917b60
"""

# ---------------------------------------------------------------- the field of p^5 elements

Element = tuple[int, ...]
"""Five numbers below p: a polynomial in z, where z^5 = 3."""

_TWISTS: Final = [pow(3, (_P - 1) // 5 * power, _P) for power in range(5)]


def _number(value: int) -> Element:
    return (value % _P, 0, 0, 0, 0)


def _minus(a: Element, b: Element) -> Element:
    return tuple((x - y) % _P for x, y in zip(a, b, strict=True))


def _times(a: Element, b: Element) -> Element:
    result = [0] * 5
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            result[(i + j) % 5] += x * y * (3 if i + j > 4 else 1)
    return tuple(value % _P for value in result)


def _inverse(a: Element) -> Element:
    # The product of an element and its four conjugates is a number.
    others, conjugate = _number(1), a
    for _ in range(4):
        conjugate = tuple(x * twist % _P for x, twist in zip(conjugate, _TWISTS, strict=True))
        others = _times(others, conjugate)
    return _times(others, _number(pow(_times(a, others)[0], -1, _P)))


# ---------------------------------------------------------------- the curve, as y^2 = x^3 + ax + b

Point = tuple[Element, Element]

_A: Final = (6148914689804861439, 263, 0, 0, 0)
_GENERATOR: Final = (
    (
        11712523173042564207,
        14090224426659529053,
        13197813503519687414,
        16280770174934269299,
        15998333998318935536,
    ),
    (
        14639054205878357578,
        17426078571020221072,
        2548978194165003307,
        8663895577921260088,
        9793640284382595140,
    ),
)


def _added(first: Point, second: Point) -> Point:
    (x1, y1), (x2, y2) = first, second
    if first == second:
        tripled = _times(_number(3), _times(x1, x1))
        above, below = (
            tuple((x + a) % _P for x, a in zip(tripled, _A, strict=True)),
            _minus(y1, tuple(-y % _P for y in y1)),
        )
    else:
        above, below = _minus(y2, y1), _minus(x2, x1)
    slope = _times(above, _inverse(below))
    x3 = _minus(_minus(_times(slope, slope), x1), x2)
    return x3, _minus(_times(slope, _minus(x1, x3)), y1)


def _multiple(number: int, point: Point, start: Point | None = None) -> Point:
    result = start
    while number:
        if number & 1:
            result = point if result is None else _added(result, point)
        point = _added(point, point)
        number >>= 1
    assert result is not None
    return result


def _encoded(point: Point) -> Element:
    x, y = point
    third = _times(_number(2), _inverse(_number(3)))
    return _times(y, _inverse(_minus(third, x)))


# ---------------------------------------------------------------- the hash


def _words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def _mixed(state: list[int]) -> list[int]:
    mixed: list[int] = []
    for i in range(0, 12, 4):
        a, b, c, d = state[i : i + 4]
        mixed += [
            2 * a + 3 * b + c + d,
            a + 2 * b + 3 * c + d,
            a + b + 2 * c + 3 * d,
            3 * a + b + c + 2 * d,
        ]
    sums = [sum(mixed[column::4]) for column in range(4)]
    return [(value + sums[i % 4]) % _P for i, value in enumerate(mixed)]


def _permuted(state: list[int]) -> list[int]:
    constants, diagonal = _words(_ROUND_CONSTANTS), _words(_DIAGONAL)
    rounds = [constants[i : i + 12] for i in range(0, len(constants), 12)]
    state = _mixed(state)
    for number, row in enumerate(rounds):
        if number == len(rounds) // 2:
            for constant in _words(_PARTIAL_CONSTANTS):
                state[0] = pow(state[0] + constant, 7, _P)
                whole = sum(state)
                state = [(x * d + whole) % _P for x, d in zip(state, diagonal, strict=True)]
        state = _mixed([pow(x + c, 7, _P) for x, c in zip(state, row, strict=True)])
    return state


def _hashed(values: Sequence[int]) -> Element:
    state = [0] * 12
    for start in range(0, len(values), 8):
        block = values[start : start + 8]
        state[: len(block)] = block
        state = _permuted(state)
    return tuple(state[:5])


# ---------------------------------------------------------------- signatures


def is_signed(message: bytes, signature: bytes, private_key: bytes) -> bool:
    """Whether the signature of an access token is the private key's."""
    own = _multiple(int.from_bytes(private_key, "little") % _ORDER, _GENERATOR)
    s, e = (int.from_bytes(half, "little") for half in (signature[:40], signature[40:]))
    point = _multiple(e, own, _multiple(s, _GENERATOR))
    words = [int.from_bytes(message[i : i + 8], "little") for i in range(0, len(message), 8)]
    hashed = _hashed([*_encoded(point), *_hashed(words)])
    return sum(value << 64 * i for i, value in enumerate(hashed)) % _ORDER == e
