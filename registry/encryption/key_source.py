"""The source of the master key: the environment, or a file that only its owner can read."""

import os
from pathlib import Path

from registry.encryption.key_file import read_key_file
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import MasterKeyMalformed, MasterKeyMissing
from registry.hints import Command, Hint
from registry.machine import config_folder, path_of_variable

VARIABLE = "CREDENTIAL_ENCRYPTION_KEY"
FILE_VARIABLE = "CREDENTIAL_ENCRYPTION_KEY_FILE"


def default_key_file() -> Path:
    """The file that is used when the environment names no key."""
    return config_folder() / "master.key"


def load_keyring() -> MasterKeyring:
    """The keys of the environment, of the file it names, or of the default file.

    Raises:
        MasterKeyMissing: there is no key. No key is ever generated silently.
        MasterKeyMalformed: it is not a Fernet key, or other users can read its file.
        InvalidInput: the path in the environment could be a secret.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        return MasterKeyring.parse(Secret(text))
    named = path_of_variable(FILE_VARIABLE)
    path = named or default_key_file()
    if named is None and not path.exists():
        raise MasterKeyMissing(
            "no master key is configured",
            hint=Hint(
                f"Set {VARIABLE} or {FILE_VARIABLE}, or make a key once with: ",
                Command("generate-key", save=True),
            ),
        )
    text_of_file = read_key_file(
        path,
        missing=MasterKeyMissing,
        malformed=MasterKeyMalformed,
        hint=f"Check {FILE_VARIABLE}.",
    )
    if not text_of_file.reveal():
        raise MasterKeyMalformed(
            f"the key file {path} is empty",
            hint="Put the key back from where you keep its copy. With another key, nothing that "
            "was stored before can be read.",
        )
    return MasterKeyring.parse(text_of_file)
