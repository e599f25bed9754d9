"""Values that another program keeps: encrypted, or only referred to.

Their form shows them. A reference that was stored as a key would fail at the exchange; so it is
refused, by the field's name, with the command that gives the plain value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from registry.errors import InvalidCredential
from registry.hints import Blank, Command, Hint


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a value is kept, and the command that writes the file in plain, if there is one."""

    what: str
    way: str | None = None

    def as_json(self) -> "Elsewhere":
        """The same with a way that leads to JSON, where the file is in another language."""
        return replace(self, way=_AS_JSON.get(self.what))

    def refusal(self, where: str, verb: str) -> InvalidCredential:
        """The error for a file or a field that is kept so, for an import with this verb."""
        hint = Hint(
            "Export it in plain there, or type it in: ",
            Command("add-credential", Blank("ACCOUNT"), Blank("EXCHANGE")),
        )
        if self.way is not None:
            command = Command("import-config", Blank("ACCOUNT"), file="-")
            if verb == "import-env":
                command = Command("import-env", Blank("ACCOUNT"), env_file="-")
            hint = Hint(f"Import it in plain: {self.way} | ", command)
        return InvalidCredential(f"{where} is {self.what}", hint=hint)


_AS_JSON: Final[Mapping[str, str]] = {"encrypted by sops": "sops decrypt --output-type json FILE"}
_SCHEMES: Final = (
    "vault|bao|(aws|gcp|az|azure)?[-_]?(sm|ssm|kv|kms|secrets?(manager)?)|akv|gsm|keyvault|keyring"
    "|keychain|keepass|pass|gopass|file|env|cmd|exec|shell|bws?|bitwarden|lastpass|doppler"
    "|infisical|conjur|akeyless|1password|op|enc|encrypted|cipher(text)?|sealed|sops|age|gpg|pgp"
    "|jasypt|arn|base64|b64"
)
_VALUES: Final = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), Elsewhere(what, way))
    for pattern, what, way in (
        (r"ENC\[AES256_GCM,.*", "encrypted by sops", "sops decrypt FILE"),
        (r"ENC\[.*\]", "encrypted by eyaml", "eyaml decrypt -f FILE"),
        (r"ENC\(.*\)|vault:v[0-9]+:.*|AQICAH[\w+/=]{40,}", "encrypted by another program", None),
        (r"encrypted:.*", "encrypted by dotenvx", "dotenvx decrypt --stdout -f FILE"),
        (r"!vault\b.*|\$ANSIBLE_VAULT;.*", "encrypted by ansible-vault", None),
        (r"7b22[0-9a-f]{40,}", "encrypted by another program (hummingbot)", None),
        (r"gAAAA[\w-]{32,}=*", "encrypted by another program (OctoBot, or Fernet)", None),
        (r"U2FsdGVkX1[\w+/]*=*", "encrypted by openssl", None),
        (
            r"-----BEGIN (PGP MESSAGE|AGE ENCRYPTED|ENCRYPTED).*|-----BEGIN.*4,ENCRYPTED.*",
            "encrypted with a passphrase",
            None,
        ),
        (r'\{.*"(crypto|cipher(text)?)".*', "an encrypted keystore", None),
        (r"(\{\{ *)?op://.*", "a reference to 1Password", "op inject -i FILE"),
        (r"\$\{\w+\}|\$[a-z_]\w*", "filled in by another program", "envsubst < FILE"),
        (
            (r"\{\{.*\}\}|<%.*%>|[#@$]\{.*\}|\$\(.*\)|`.*`|%\w+%|\$env:\w+"
            r"|@Microsoft\.KeyVault.*|!(secret|env|include)\b.*"),
            "filled in by another program",
            None,
        ),
        (
            (rf"(?!https?:|wss?:)[a-z][a-z0-9+.-]*://.*|({_SCHEMES}):(?!//).+|ref\+.*"
            r"|projects/[^/]+/secrets/.*"),
            "a reference to another program's secret",
            None,
        ),
        (r"/run/secrets/.*|(~|\.{1,2})?/[\w./-]+\.(pem|key|txt|json|asc|gpg|age)",
         "the name of a file", None),
    )
)  # fmt: skip


def kept_elsewhere(value: str) -> Elsewhere | None:
    """Where a value is kept, if it is encrypted or a reference."""
    value = value.strip()
    return next((kept for pattern, kept in _VALUES if pattern.fullmatch(value)), None)
