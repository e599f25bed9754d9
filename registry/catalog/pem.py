"""One form for a private key in PEM, however it was copied."""

import base64
import binascii
import re
import textwrap
from typing import Any, Final

BEGIN: Final = "-----BEGIN "
KINDS: Final = ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


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
    return _serialized(_loaded(kind, "".join(body.split())))


def _loaded(kind: str, body: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        lines = textwrap.wrap(base64.b64encode(base64.b64decode(body, validate=True)).decode(), 64)
        whole = "\n".join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""))
        return load_pem_private_key(whole.encode(), None)
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
