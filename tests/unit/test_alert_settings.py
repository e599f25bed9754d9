"""The settings of alerts: what is known is taken, and everything else is named."""

from pathlib import Path

import pytest

from registry import errors
from registry.services.alerts.messages import Message
from registry.services.alerts.rules import Settings, read_settings

PROJECT = Path(__file__).resolve().parents[2]
RECEIVER = '[receivers.ops]\nwebhook = "https://ops.example/hook?token=abc"\nunsigned = true\n'
RULE = '[[rules]]\nto = ["ops"]\nproblems = ["expired"]\n'


def read(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "alerts.toml"
    file.write_text(text)
    return read_settings(file)


def message(type_: str, account: str | None = None, severity: str | None = None) -> Message:
    position = 7 if type_.startswith("event.") else None
    return Message(
        id=f"{type_}-1",
        type=type_,
        at="2030-01-01T00:00:00+00:00",
        text=type_,
        account=account,
        severity=severity,
        position=position,
    )


def test_a_rule_lets_through_what_it_names(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        f"{RECEIVER}[receivers.night]\ncommand = ['pager']\n{RULE}"
        '[[rules]]\nto = ["night"]\nproblems = "all"\nevents = ["UseStopped"]\n'
        'severities = ["critical"]\naccounts = ["grid_*"]\n',
    )
    assert settings.to(message("problem.expired", "bot", "critical")) == ["ops"]
    assert settings.to(message("problem.expired", "grid_1", "critical")) == ["ops", "night"]
    assert settings.to(message("over.expired", "grid_1", "critical")) == ["ops", "night"]
    assert settings.to(message("problem.due", "grid_1", "warning")) == []
    assert settings.to(message("event.UseStopped", "grid_1")) == ["night"]
    assert settings.to(message("event.UseStopped", None)) == []
    assert settings.events == {"UseStopped"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x", "is no TOML: see "),
        (RULE, "names no receiver"),
        (RECEIVER, "has no rule"),
        (f"{RECEIVER}{RULE}problem = 1", "there is no setting problem"),
        (f"every = 3\n{RECEIVER}{RULE}", "there is no setting every"),
        (f"{RECEIVER}{RULE}".replace('"expired"', '"expird"'), "names expird, which is not known"),
        (f"{RECEIVER}{RULE}events = ['UseStoped']", "names UseStoped, which is not known"),
        (f"{RECEIVER}{RULE}severities = ['bad']", "names bad, which is not known"),
        (f"{RECEIVER}{RULE}".replace('to = ["ops"]', 'to = ["opps"]'), "names opps"),
        (f"{RECEIVER}[[rules]]\nto = ['ops']", "needs problems or events"),
        (f"{RECEIVER}[[rules]]\nproblems = 'all'", "needs the names of receivers"),
        (f"{RECEIVER}command = ['x']\n{RULE}", "needs one of webhook"),
        (f"[receivers.ops]\n{RULE}", "needs one of webhook"),
        (f"[reciever.ops]\ncommand = ['x']\n{RULE}", "there is no setting reciever"),
        (f"[receivers.ops]\ncomand = ['x']\n{RULE}", "there is no setting comand"),
        (f"[receivers.ops]\nwebhook = 'https://x'\nsecret_fle = 'x'\n{RULE}", "secret_fle"),
        (f"[receivers.ops]\ncommand = ['x']\nunsigned = true\n{RULE}", "no setting unsigned"),
        (f"[receivers.ops]\nwebhook = 'https://x'\n{RULE}", "needs secret_file"),
        (f"[receivers.ops]\nwebhook = 'ftp://x'\nunsigned=true\n{RULE}", "must be an address"),
        (f"[receivers.ops]\nwebhook = 'http://x'\nunsigned=true\n{RULE}", "begin with https://"),
        (f"[receivers.ops]\nwebhook = 'https://x:y'\nunsigned=true\n{RULE}", "must be an address"),
        (f"[receivers.ops]\nwebhook = 1\n{RULE}", "webhook must be a text"),
        (f"[receivers.ops]\nwebhook = 'https://x'\nunsigned = 'no'\n{RULE}", "true or false"),
        (f"every_seconds = 0\n{RECEIVER}{RULE}", "every_seconds must be"),
        (f"receivers = 1\n{RULE}", "receivers must be a table"),
        (f"{RECEIVER}secret = 'hunter2-hunter2'\n{RULE}", "has a secret in plain"),
        (f"{RECEIVER}secret_env = 'NOT_SET_AT_ALL'\n{RULE}", "NOT_SET_AT_ALL of secret_env is not"),
        (f"{RECEIVER}secret_file = '/nowhere/at/all'\n{RULE}", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_with_it(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(errors.InvalidInput) as refused:
        read(tmp_path, text)
    assert said in refused.value.message
    assert "hunter2" not in f"{refused.value.message}{refused.value.hint}"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("expird", "expired"), ("failed-check", "failed_check"), ("second_host", "second_user")],
)
def test_a_name_that_is_almost_right_is_suggested(tmp_path: Path, wrong: str, meant: str) -> None:
    with pytest.raises(errors.InvalidInput) as refused:
        read(tmp_path, f"{RECEIVER}{RULE}".replace("expired", wrong))
    assert refused.value.hint == f"Did you mean {meant}?"


def test_a_secret_comes_from_a_file_that_only_its_user_can_read_or_from_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_c2VjcmV0LW9mLXRoZS1yZWNlaXZlcg==\n")
    signed = f"[receivers.ops]\nwebhook = 'https://x'\nsecret_file = '{secret}'\n{RULE}"
    secret.chmod(0o644)
    with pytest.raises(errors.InvalidInput, match="can be read by others"):
        read(tmp_path, signed)
    secret.chmod(0o600)
    assert read(tmp_path, signed).receivers
    monkeypatch.setenv("OPS_SECRET", "too short")
    by_variable = signed.replace(f"secret_file = '{secret}'", "secret_env = 'OPS_SECRET'")
    with pytest.raises(errors.InvalidInput, match="must have 16 bytes"):
        read(tmp_path, by_variable)
    monkeypatch.setenv("OPS_SECRET", "whsec_???")
    with pytest.raises(errors.InvalidInput, match="not base64"):
        read(tmp_path, by_variable)


def test_settings_that_others_can_change_are_refused(tmp_path: Path) -> None:
    assert read(tmp_path, f"{RECEIVER}{RULE}").rules
    (tmp_path / "alerts.toml").chmod(0o646)
    with pytest.raises(errors.InvalidInput, match="can be changed by other users"):
        read_settings(tmp_path / "alerts.toml")


def test_an_address_is_shown_without_its_path(tmp_path: Path) -> None:
    receiver = read(tmp_path, f"{RECEIVER}{RULE}").receivers["ops"]
    assert str(receiver) == "webhook at ops.example"
    assert "token=abc" not in repr(receiver)


def test_a_digest_says_how_many_of_what_and_keeps_its_id() -> None:
    messages = [message("problem.due", severity="warning") for _ in range(30)]
    messages += [message("event.UseStopped", severity=None)]
    made = Message.digest(messages, dropped=7)
    assert made.text == (
        "38 messages since 2030-01-01T00:00:00+00:00: 30 problem.due, 1 event.UseStopped; "
        "7 older are not listed"
    )
    assert (made.severity, len(made.messages)) == ("warning", 20)
    assert made.id == Message.digest(messages, dropped=8).id
    assert Message.parse(made.as_json()) == made


def test_the_settings_of_the_examples_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "alerts_secret"
    secret.write_text("a secret of sixteen bytes or more")
    secret.chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = read_settings(PROJECT / "examples" / "alerts" / "alerts.toml")
    assert set(settings.receivers) == {"ops", "phone", "mail", "everything_else"}
    for receiver in settings.receivers.values():
        script = str(receiver).removeprefix("command ")
        assert script.startswith("webhook") or (PROJECT / "examples" / "alerts" / script).exists()
