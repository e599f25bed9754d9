"""Where the program keeps its files on this machine, and the paths that users name."""

import os
from pathlib import Path

import platformdirs

from registry.errors import InvalidInput
from registry.shown import secret_parts

APPLICATION = "account-registry"


def data_folder() -> Path:
    """Where the embedded database lives: `REGISTRY_DATA_DIR`, or the user's data folder."""
    named = path_of_variable("REGISTRY_DATA_DIR")
    return Path(platformdirs.user_data_path(APPLICATION)) if named is None else named


def config_folder() -> Path:
    """Where a key file is looked for: `REGISTRY_CONFIG_DIR`, or the user's configuration folder."""
    named = path_of_variable("REGISTRY_CONFIG_DIR")
    return Path(platformdirs.user_config_path(APPLICATION)) if named is None else named


def path_of_variable(variable: str) -> Path | None:
    """The path that a variable names, if it does.

    Raises:
        InvalidInput: see `refuse_secret_as_path`.
    """
    text = os.environ.get(variable, "").strip()
    refuse_secret_as_path(text, variable)
    return Path(text) if text else None


def refuse_secret_as_path(text: str, what: str) -> None:
    """Refuses a secret where a path belongs: something of such a name would be made, and be told.

    Raises:
        InvalidInput: it could be a secret.
    """
    if secret_parts(text):
        raise InvalidInput(
            f"{what} takes a path, and what it was given could be a secret (it is not shown)",
            hint="If it is the name of a file or folder, say where it is: ./NAME",
        )
