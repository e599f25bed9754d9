"""Reads an exchange's refusal: which outcome it means, and what of its text can be shown."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from registry.checking.findings import CheckOutcome
from registry.shown import NOT_SHOWN, shown


class Answer(NamedTuple):
    """One answer as it came over the wire."""

    status: int
    body: str

    @property
    def is_html(self) -> bool:
        """Whether it is a web page."""
        return self.body.lstrip("\ufeff \r\n\t").startswith("<")

    def parsed(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


_STATUSES: Final = dict.fromkeys((418, 429), CheckOutcome.RATE_LIMITED)
_ERRORS: Final = 400
_SERVER_ERRORS: Final = 500

# What exchanges write, in the order in which it is looked for: "IP" also occurs in texts of others.
_TEXTS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), outcome)
    for pattern, outcome in (
        (r"rate.?limit|too many (requests|visits)|too frequent", CheckOutcome.RATE_LIMITED),
        (r"(key|token|credential|agent)s?\b.{0,40}\bexpired", CheckOutcome.EXPIRED),
        (r"expired.{0,20}\b(api.?key|credential)", CheckOutcome.EXPIRED),
        (r"timestamp|recv.?window|nonce|\bclock\b|expired", CheckOutcome.CLOCK_SKEW),
        (r"\bips?\b|white.?list|allow.?list", CheckOutcome.ADDRESS_NOT_ALLOWED),
        (r"permission|forbidden|scope", CheckOutcome.NOT_PERMITTED),
        (
            r"signature|\bsign|(api|access).?key|passphrase|secret|invalid key",
            CheckOutcome.WRONG_KEY,
        ),
        (r"unauthori[sz]ed|authenticat|(invalid|wrong) (auth|token)", CheckOutcome.WRONG_KEY),
    )
)

# ccxt's classes of errors, the narrowest first.
_CLASSES: Final = (
    ("InvalidNonce", CheckOutcome.CLOCK_SKEW),
    ("RateLimitExceeded", CheckOutcome.RATE_LIMITED),
    ("DDoSProtection", CheckOutcome.RATE_LIMITED),
    ("PermissionDenied", CheckOutcome.NOT_PERMITTED),
    ("AuthenticationError", CheckOutcome.WRONG_KEY),
)
_LONGEST: Final = 120
_STRETCH: Final = 8
"""The shortest part of a secret that an exchange may not be quoted with."""


def outcome_of(
    problem: BaseException, answer: Answer | None, codes: Mapping[str, CheckOutcome]
) -> CheckOutcome:
    """The outcome that an error of ccxt means, after this last answer.

    `codes` are the exchange's own words or numbers for its refusals.
    """
    if answer is None:
        return _unanswered(problem)
    words = list(_words(answer.parsed()))
    own = next((codes[word] for word in words if word in codes), None)
    return _STATUSES.get(answer.status) or own or _by_form(problem, answer, " ".join(words))


def _by_form(problem: BaseException, answer: Answer, text: str) -> CheckOutcome:
    classes = [kind.__name__ for kind in type(problem).__mro__]
    if answer.status >= _SERVER_ERRORS:
        return CheckOutcome.SERVER_ERROR
    if answer.is_html:
        return CheckOutcome.HTML_ANSWER
    if "BaseError" not in classes and answer.status < _ERRORS:
        # The answer is not what its documentation says.
        return CheckOutcome.UNCLEAR_ANSWER
    known = next((outcome for name, outcome in _CLASSES if name in classes), None)
    if known in (CheckOutcome.CLOCK_SKEW, CheckOutcome.RATE_LIMITED):
        return known
    said = text or answer.body
    meant = next((outcome for pattern, outcome in _TEXTS if pattern.search(said)), None)
    return meant or known or CheckOutcome.UNCLEAR_ANSWER


def _unanswered(problem: BaseException) -> CheckOutcome:
    classes = {kind.__name__ for kind in type(problem).__mro__}
    if not classes & {"AuthenticationError", "ArgumentsRequired", "BadRequest", "InvalidAddress"}:
        if classes & {"BaseError", "OSError", "TimeoutError", "ClientError"}:
            return CheckOutcome.NO_ANSWER
        if not classes & {"ValueError", "AssertionError", "ArithmeticError"}:
            return CheckOutcome.NOT_CHECKABLE  # the client fails for a reason of its own
    return CheckOutcome.WRONG_KEY  # nothing was sent: a malformed key cannot sign


def no_answer(problem: BaseException) -> str:
    """Why no answer came, to be read after the exchange's name."""
    causes = (problem, problem.__cause__, getattr(problem.__cause__, "os_error", None))
    classes = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    for name, words in _SILENCES.items():
        if name in classes:
            return words
    return "cannot be reached"


_SILENCES: Final = {
    "RequestTimeout": "did not answer in time",
    "ConnectionRefusedError": "refused the connection",
    "gaierror": "has an address that is not known here",
    "SSLError": "has a certificate that is not trusted here",
    "ServerDisconnectedError": "ended the connection without an answer",
    "ConnectionResetError": "ended the connection without an answer",
}


def quoted(answer: Answer, values: Iterable[str]) -> str | None:
    """What the exchange says, cut, unless it holds a part of these values, or another secret."""
    words = list(_words(answer.parsed()))
    said = next((word for word in words if re.search("[a-z]", word)), " ".join(words))
    text = " ".join(said.encode(errors="replace").decode().split())
    parts = (
        value[start : start + _STRETCH].lower()
        for value in filter(None, values)
        for start in range(max(1, len(value) - _STRETCH + 1))
    )
    if shown(text) == NOT_SHOWN or any(part in text.lower() for part in parts):
        return NOT_SHOWN
    return (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…") or None


_PLACES: Final = (
    *("msg", "retMsg", "message", "error", "error_details"),
    *("code", "retCode", "errors", "response"),
)


def _words(said: Any, depth: int = 4) -> Iterator[str]:
    """The texts and codes of a refusal, wherever exchanges put them."""
    if isinstance(said, str | int) and not isinstance(said, bool):
        yield str(said)
    elif depth:
        told = said[:3] if isinstance(said, list) else ()
        if isinstance(said, dict):
            told = [said[place] for place in _PLACES if place in said]
        for part in told:
            yield from _words(part, depth - 1)
