"""A text that must not be shown."""

import hmac
from typing import NoReturn


class Secret:
    """Holds a secret text; only `reveal()` returns it.

    It does not print, format, compare in variable time, pickle or serialise itself, so
    that it cannot end in a log or a traceback by accident.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The secret text."""
        return self.__text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, _specification: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # A lone surrogate is compared too: an encoding error would hold the whole text.
        mine, others = (secret.reveal().encode(errors="surrogatepass") for secret in (self, other))
        return hmac.compare_digest(mine, others)

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")
