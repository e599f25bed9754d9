"""Reads the JSON of a configuration as other programs do.

Comments and trailing commas are read over, and files that a configuration adds are read with it,
as freqtrade does both.
"""

import re
from pathlib import Path
from typing import Any, Final

from registry.catalog.elsewhere import kept_elsewhere
from registry.errors import InvalidInput
from registry.hints import Blank, Command, Hint
from registry.services.importing.elsewhere import kept_in_lines, text_of_import
from registry.services.importing.env_lines import can_be_shown
from registry.shown import secret_parts
from registry.values import parse_json

VERB: Final = "import-config"
_DEPTH: Final = 5
"""The deepest nesting of added files, as in freqtrade."""
_ADDED: Final = 20
_JSON: Final = (".json", ".jsonc", ".json5")
_NAME: Final = re.compile(
    r"[a-z]+([_-][a-z]+)*[_-]?[0-9]{0,4}|[a-z]{2,}([A-Z][a-z]{2,}){1,3}|\w{1,7}", re.ASCII
)
"""The form of usual names: pair_whitelist, walletAddress, hl_01."""
NAME_NOT_SHOWN: Final = "(a name that is not shown)"
_ASSIGNMENT: Final = re.compile(r"^(export )?[A-Z][A-Z0-9_]*=", re.MULTILINE)
# What is not closed reaches to the end, so that every text is read over once.
_STRING: Final = r'"(?:\\.|[^"\\])*(?:"|\\?\Z)'
_COMMENT: Final = re.compile(rf"{_STRING}|//[^\r\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMMA: Final = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)


def load(path: Path, added: list[str], *, depth: int = 0) -> dict[str, Any]:
    """The settings of a file, over those of the files that it adds; their names go to `added`.

    Raises:
        InvalidInput: it is not JSON, or adds a file that cannot be read.
        InvalidCredential: it, or a value in it, is encrypted by another program or a reference.
    """
    text = text_of_import(path, VERB)
    strict = _COMMA.sub(_kept, _COMMENT.sub(_kept, text))
    try:
        data = parse_json(strict, str(path))
    except InvalidInput as problem:
        if (found := kept_in_lines(text)) is not None:
            name, kept = found
            raise kept.as_json().refusal(f"{shown_name(name)} in {path}", VERB) from None
        if problem.hint or strict.lstrip().startswith("{"):
            raise
        hint = "Keys in YAML or TOML are typed in, or given as JSON."
        if _ASSIGNMENT.search(text):
            env_file = Command("import-env", Blank("ACCOUNT"), env_file=Blank("FILE"))
            hint = Hint("An env file is read with: ", env_file)
        raise InvalidInput(problem.message, hint=hint) from None
    if not isinstance(data, dict):
        return {}
    if isinstance(data.get("sops"), dict) and "mac" in data["sops"]:
        sops = kept_elsewhere("ENC[AES256_GCM,]")
        assert sops is not None  # noqa: S101 - the form is one of those known
        raise sops.as_json().refusal(str(path), VERB)
    others = data.get("add_config_files")
    below: dict[str, Any] = {}
    for other in others if isinstance(others, list) else ():
        if depth == _DEPTH or len(added) == _ADDED:
            raise InvalidInput(f"{path} adds files in more than {_DEPTH} levels, or too many")
        if not isinstance(other, str) or not other.endswith(_JSON) or secret_parts(other):
            raise InvalidInput(f"{path} adds a file that is not called .json (it is not shown)")
        inner = path.parent / other
        added.append(str(inner))
        below = merged(below, load(inner, added, depth=depth + 1))
    return merged(below, data)


def _kept(found: re.Match[str]) -> str:
    """A string as it stands; in place of a comment its line ends, so that lines keep numbers."""
    return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both configurations in one; a value of `above` wins."""
    both = {
        name: merged(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict)
    }
    return {**below, **above, **both}


def shown_name(name: str) -> str:
    """A name of a configuration, or of a path in it, unless it could be a secret value."""
    parts = name.split(".")
    is_usual = all(_NAME.fullmatch(part) or can_be_shown(part) for part in parts)
    return name if is_usual else NAME_NOT_SHOWN
