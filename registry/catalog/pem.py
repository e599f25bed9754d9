"""One form for a private key in PEM, however it was copied."""

import base64
import binascii
import contextlib
import re
from typing import Any, Final

BEGIN: Final = "-----BEGIN "
KINDS: Final = ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
_IN_BASE64: Final = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/\s]+={0,2}")
# The beginnings of an EC, Ed25519 or RSA key; no random secret has them and is a key besides.
_BODY: Final = re.compile(r"(MH[cQ]CAQ|MIG|MC4CAQ|MII)[A-Za-z0-9+/\s]{50,}={0,2}")
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


def pem_in(text: str) -> str | None:
    """The PEM in a text: as it stands, in base64 once more, or without its first and last line."""
    if BEGIN in text:
        return text
    text = text.strip()
    with contextlib.suppress(ValueError):
        if _IN_BASE64.fullmatch(text):
            return base64.b64decode("".join(text.split()), validate=True).decode()
        if _BODY.fullmatch(text):
            return _serialized(_loaded("".join(text.split())))
    return None


def normal_pem(text: str) -> str:
    r"""The key in one form: 64 characters a line, no newline at the end.

    Newlines may be CRLF, `\n` in two characters, blanks, or missing. EC keys are in the form of
    SEC 1, which ccxt expects, and others in that of PKCS8.

    Raises:
        ValueError: it is another kind of PEM, or damaged; its text says what, and shows nothing
            of the key.
    """
    text = re.sub(r"\\r|\\n", "\n", text)
    found = [(kind, body) for kind, body in _BLOCK.findall(text) if kind != "EC PARAMETERS"]
    rest = _BLOCK.sub("", text).strip("\"'` \r\n\t")
    if len(found) != 1 or rest:
        raise ValueError("is not one whole key in PEM form")
    kind, body = found[0]
    if kind not in KINDS:
        raise ValueError(f"is a PEM of another kind ({kind.lower()}), not an unencrypted key")
    return _serialized(_loaded("".join(body.split())))


def _loaded(body: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        return load_der_private_key(base64.b64decode(body, validate=True), None)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is a damaged key in PEM form") from None


def _serialized(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if not isinstance(
        key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    ):
        raise ValueError("is a key in PEM form, but none for EC, Ed25519 or RSA")  # noqa: TRY004
    traditional = isinstance(key, ec.EllipticCurvePrivateKey)
    forms = serialization.PrivateFormat
    text = key.private_bytes(
        serialization.Encoding.PEM,
        forms.TraditionalOpenSSL if traditional else forms.PKCS8,
        serialization.NoEncryption(),
    )
    return text.decode().strip()
