"""The master keys: the newest key wraps, every key unwraps.

Keys are Fernet keys: https://github.com/fernet/spec/blob/master/Spec.md
"""

import base64
import binascii
import hashlib
import uuid
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken

from registry.encryption.secret import Secret
from registry.errors import CannotDecrypt, MasterKeyMalformed, MasterKeyWrong
from registry.hints import Command, Hint

_KEY_BYTES = 32
_TOKEN_FRAME = 1 + 8 + 16 + 32


class MasterKeyring:
    """One or several master keys, newest first."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        """Takes the keys.

        Raises:
            MasterKeyMalformed: a key is not a Fernet key, or there is none.
        """
        if not keys:
            raise MasterKeyMalformed("there is no master key in the ring")
        self._fernets = {
            _key_id(key, number): Fernet(key.reveal()) for number, key in enumerate(keys, start=1)
        }

    def __repr__(self) -> str:
        return f"MasterKeyring({', '.join(self._fernets)})"

    @classmethod
    def parse(cls, text: Secret) -> "MasterKeyring":
        """A ring from the text of `CREDENTIAL_ENCRYPTION_KEY`: keys separated by commas.

        Raises:
            MasterKeyMalformed: a part is not a Fernet key.
        """
        parts = [part.strip() for part in text.reveal().replace("\n", ",").split(",")]
        return cls([Secret(part) for part in parts if part])

    @property
    def newest_id(self) -> str:
        """The id of the key that wraps: a short digest, safe to show."""
        return next(iter(self._fernets))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, newest first."""
        return tuple(self._fernets)

    def lacks(self, master_key_id: str) -> MasterKeyWrong:
        """The error for data that a key outside of this ring sealed."""
        return MasterKeyWrong(
            f"the registry's data is sealed with the master key {master_key_id}, "
            f"and the configured one is {' and '.join(self._fernets)}",
            hint="Set CREDENTIAL_ENCRYPTION_KEY to the key that was used when the "
            "credentials were added (several with commas, newest first).",
        )

    def wrap(self, key_id: uuid.UUID, key: bytes) -> str:
        """The key as a token that only this ring opens, and only as the key of this id."""
        return self._fernets[self.newest_id].encrypt(key_id.bytes + key).decode()

    def unwrap(self, key_id: uuid.UUID, wrapped: str, master_key_id: str) -> bytes:
        """The key that was wrapped under this id.

        Raises:
            MasterKeyWrong: no key of the ring wrapped it.
            CannotDecrypt: it is damaged, or was wrapped under another id.
        """
        fernet = self._fernets.get(master_key_id)
        if fernet is None:
            raise self.lacks(master_key_id)
        try:
            plain = fernet.decrypt(wrapped)
        except (InvalidToken, ValueError):  # ValueError: not even ASCII
            raise CannotDecrypt(
                f"the wrapped key {key_id} is damaged", hint="Restore it from a backup."
            ) from None
        if plain[:16] != key_id.bytes or len(plain) != 16 + _KEY_BYTES:
            raise CannotDecrypt(
                f"the wrapped key of {key_id} belongs to something else",
                hint="Somebody moved it; look into the backups.",
            )
        return plain[16:]

    def open_bare(self, token: str) -> Secret | None:
        """The text of a Fernet token that a master key made directly, without a data key.

        Credentials from before the registry are such tokens. None if no key opens it.
        """
        for fernet in self._fernets.values():
            try:
                return Secret(fernet.decrypt(token).decode())
            except (InvalidToken, ValueError):  # ValueError: not ASCII, or not UTF-8 inside
                continue
        return None


def looks_like_token(text: str) -> bool:
    """Whether a text has the form of a Fernet token: version 128, time, IV, blocks, HMAC."""
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return False
    blocks = len(raw) - _TOKEN_FRAME
    return raw[:1] == b"\x80" and blocks > 0 and blocks % 16 == 0


def generate_master_key() -> Secret:
    """A new random Fernet key."""
    return Secret(Fernet.generate_key().decode())


def _key_id(key: Secret, number: int) -> str:
    try:
        raw = base64.b64decode(key.reveal().encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise MasterKeyMalformed(
            f"master key {number} is not a Fernet key (32 bytes in URL-safe base64, 44 characters)",
            hint=Hint("Make one with: ", Command("generate-key")),
        )
    return hashlib.sha256(b"account-registry master key id\0" + raw).hexdigest()[:12]
