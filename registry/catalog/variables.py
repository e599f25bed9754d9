"""The variables in which a program may get a credential of a user-defined exchange.

A definition of an exchange names variables. Its author must not be able to choose the code that
a program loads, its connections, or whom it trusts. No list of such variables is ever complete,
so the form decides: `NAME_OF_THE_EXCHANGE_WHAT_IT_HOLDS`. The migrations hold the same form, for
definitions that are appended by hand.
"""

import re
from typing import Final

FORM: Final = (
    # The first word is not one by which tools know their own variables.
    r"(?!(ACCOUNT|ANSIBLE|APT|AWS|AZURE|BASH|BUN|CARGO|COMPOSER|CONDA|CREDENTIAL|CURL|DATABASE|DBUS"
    r"|DENO|DJANGO|DOCKER|DOTENV|DYLD|FLASK|GCONV|GEM|GIT|GITHUB|GITLAB|GLIBC|GOOGLE|GPG|HTTP|HTTPS"
    r"|JAVA|JDK|KUBERNETES|LANG|LESS|LIBPQ|LOCALE|MALLOC|MYSQL|NODE|NPM|OPENSSL|PERL|PIP|PIPENV"
    r"|PIPX|PNPM|POETRY|POSTGRES|PYTEST|PYTHON|REDIS|REGISTRY|REQUESTS|RUBY|RUST|RUSTUP|SSH|SSL"
    r"|SUDO|SYSTEMD|TWINE|VAULT|VIRTUAL|VIRTUALENV|WATCHDOG|XDG|YARN)_)"
    r"[A-Z][A-Z0-9]{2,}_([A-Z0-9]+_)*"
    r"(KEY|SECRET|TOKEN|PASSPHRASE|PASSWORD|PASS|PIN|MNEMONIC|SEED|LOGIN|USER|UID|ID|ACCOUNT"
    r"|WALLET|ADDRESS|(SUB)?ACCOUNT_INDEX|KEY_INDEX|ENVIRONMENT|TESTNET|VENUE|NOTE|LABEL"
    r"|(BASE|API|REST|WS)_URL)"
)
HINT: Final = (
    "It begins with the exchange's name and ends with what it holds, such as _KEY, _SECRET, "
    "_PASSPHRASE, _ADDRESS, _UID, _ACCOUNT_ID or _ENVIRONMENT."
)
_LONGEST: Final = 100


def can_carry_a_credential(exchange: str, variable: str) -> bool:
    """Whether a credential of this user-defined exchange may be passed in this variable."""
    first = re.search("[A-Za-z][A-Za-z0-9]*", exchange)
    whole = re.sub("^[^A-Za-z]+|[^A-Za-z0-9]+", "", exchange)
    begins = first and variable.startswith((f"{first[0].upper()}_", f"{whole.upper()}_"))
    return bool(begins and len(variable) <= _LONGEST and re.fullmatch(FORM, variable))
