"""Ethereum's signatures, checked without ccxt: addresses, typed data of EIP-712, the signer."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import coincurve
from Crypto.Hash import keccak

Types = Mapping[str, Sequence[tuple[str, str]]]
"""Name of a struct -> its members: name and type."""


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash."""
    return keccak.new(digest_bits=256, data=data).digest()


def address_of(key: coincurve.PublicKey) -> str:
    """The address of a public key, without a checksum."""
    return "0x" + keccak256(key.format(compressed=False)[1:])[-20:].hex()


def address_of_private(key: str) -> str:
    """The address of a private key in hexadecimal."""
    return address_of(coincurve.PrivateKey.from_hex(key.removeprefix("0x")).public_key)


def signer_of(digest: bytes, r: str, s: str, v: int) -> str:
    """The address whose key made the signature."""
    signature = b"".join(int(part, 16).to_bytes(32, "big") for part in (r, s))
    signature += bytes([v - 27])
    return address_of(coincurve.PublicKey.from_signature_and_message(signature, digest, None))


def typed_digest(
    domain: Mapping[str, Any], types: Types, name: str, message: Mapping[str, Any]
) -> bytes:
    """The digest of typed data, which is signed."""
    kinds = {"name": "string", "version": "string", "chainId": "uint256"}
    kinds["verifyingContract"] = "address"
    members = [(member, kind) for member, kind in kinds.items() if member in domain]
    separator = _struct({"EIP712Domain": members}, "EIP712Domain", domain)
    return keccak256(b"\x19\x01" + separator + _struct(types, name, message))


def _struct(types: Types, name: str, message: Mapping[str, Any]) -> bytes:
    text = "".join(
        f"{one}({','.join(f'{kind} {member}' for member, kind in types[one])})"
        for one in (name, *sorted(_parts(types, name) - {name}))
    )
    values = [_encoded(types, kind, message[member]) for member, kind in types[name]]
    return keccak256(keccak256(text.encode()) + b"".join(values))


def _parts(types: Types, name: str) -> set[str]:
    """The struct and its member structs."""
    kinds = [kind.removesuffix("[]") for _, kind in types[name]]
    return {name}.union(*(_parts(types, kind) for kind in kinds if kind in types))


def _encoded(types: Types, kind: str, value: Any) -> bytes:
    if kind.endswith("[]"):
        return keccak256(b"".join(_encoded(types, kind[:-2], one) for one in value))
    if kind in types:
        return _struct(types, kind, value)
    if kind == "string":
        return keccak256(value.encode())
    if kind == "bytes32":
        return bytes(value)
    if kind == "address":
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    assert re.fullmatch(r"u?int\d+|bool", kind), kind
    return int(value).to_bytes(32, "big")
