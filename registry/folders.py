"""Where the program keeps its files on this machine."""

import os
from pathlib import Path

import platformdirs

APPLICATION = "account-registry"


def data_folder() -> Path:
    """Where the embedded database lives: `REGISTRY_DATA_DIR`, or the user's data folder."""
    configured = os.environ.get("REGISTRY_DATA_DIR")
    return Path(configured) if configured else Path(platformdirs.user_data_path(APPLICATION))


def config_folder() -> Path:
    """Where a key file is looked for: `REGISTRY_CONFIG_DIR`, or the user's configuration folder."""
    configured = os.environ.get("REGISTRY_CONFIG_DIR")
    return Path(configured) if configured else Path(platformdirs.user_config_path(APPLICATION))
