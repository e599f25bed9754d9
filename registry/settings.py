"""Settings from the environment, beside where the database and the keys are.

Each is a variable `REGISTRY_…`; `docs/configuration.md` lists them.
"""

from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from registry.errors import InvalidInput


class Settings(BaseSettings):
    """How the program behaves."""

    model_config = SettingsConfigDict(
        env_prefix="REGISTRY_", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="What goes to the log on standard error."
    )
    actor: str | None = Field(
        default=None, max_length=255, description="Who acts; the default is user@host."
    )

    @classmethod
    def from_environment(cls) -> "Settings":
        """The settings.

        Raises:
            InvalidInput: a variable has a value that cannot be.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = f"REGISTRY_{first['loc'][0]}".upper()
            raise InvalidInput(f"the variable {name} is not valid: {first['msg']}") from None
