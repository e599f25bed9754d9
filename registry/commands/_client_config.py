"""The option `--client-config`: settings of ccxt's clients, in a file."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from registry.errors import InvalidInput

ClientConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--client-config",
        metavar="FILE",
        help="Settings of ccxt's clients as JSON, such as "
        """{"bybit": {"httpsProxy": "http://proxy:3128"}}.""",
    ),
]
_MAX_INPUT: Final = 1024 * 1024


def read_config(file: Path | None) -> dict[str, Any] | None:
    """The settings of clients in a file.

    Raises:
        InvalidInput: the file holds no JSON object.
    """
    if file is None:
        return None
    from registry.machine import text_of_file
    from registry.values import parse_json

    config = parse_json(text_of_file(file, limit=_MAX_INPUT), str(file))
    if not isinstance(config, dict):
        raise InvalidInput(f"{file} does not hold a JSON object of exchanges")
    return config
