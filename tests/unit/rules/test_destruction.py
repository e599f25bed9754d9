"""The rules about destroying secrets: the versions that may be destroyed."""

import datetime as dt
import uuid
from collections.abc import Sequence

import pytest
from support.states import history
from support.stories import Credential, created

from registry.errors import CredentialNotFound, Refused, SecretsDestroyed
from registry.events.base import EventModel
from registry.events.credentials import CredentialSecretsDestroyed
from registry.rules import destruction as rules
from registry.rules.account_state import SlotQuery

ASTER = Credential(1, "aster")
LATER = Credential(2, "aster")
"""In the same slot, after the first was removed."""
NUMBERED = Credential(3, "aster", subaccount=4)
READ_ONLY = Credential(4, "aster", permission="read_only")
BACKPACK = Credential(5, "backpack")
THE_ASTER = SlotQuery(2, "aster")
NOW = dt.datetime(2030, 6, 1, tzinfo=dt.UTC)

ROTATED = (created(), ASTER.added(1), ASTER.replaced(2), ASTER.replaced(3))


def destroyed(
    *events: EventModel, wanted: SlotQuery = THE_ASTER, versions: Sequence[int] | None = None
) -> list[EventModel]:
    return rules.destroy(history(*events), wanted, versions, NOW)


def test_by_default_all_versions_go_but_the_one_in_use() -> None:
    assert destroyed(*ROTATED) == [ASTER.destroyed(1, 2)]


def test_what_was_destroyed_before_is_not_destroyed_again() -> None:
    assert destroyed(*ROTATED, ASTER.destroyed(1)) == [ASTER.destroyed(2)]
    assert destroyed(*ROTATED, ASTER.destroyed(1, 2)) == []


def test_nothing_of_a_credential_that_has_one_version_goes_while_it_is_in_use() -> None:
    assert destroyed(created(), ASTER.added()) == []
    assert destroyed(created(), ASTER.added(), ASTER.removed()) == [ASTER.destroyed(1)]


def test_an_inactive_credential_is_in_use_since_it_may_be_reactivated() -> None:
    assert destroyed(created(), ASTER.added(), ASTER.deactivated()) == []


def test_named_versions_go_and_no_others() -> None:
    assert destroyed(*ROTATED, versions=[2]) == [ASTER.destroyed(2)]
    assert destroyed(*ROTATED, versions=[2, 1]) == [ASTER.destroyed(1, 2)]
    assert destroyed(*ROTATED, versions=[]) == []


def test_the_version_in_use_is_refused_by_name() -> None:
    for versions in ([3], [1, 3]):
        with pytest.raises(Refused) as refused:
            destroyed(*ROTATED, versions=versions)
        assert refused.value.message == "version 3 for aster is in use"
        assert "destroy=True" in str(refused.value.hint)


def test_a_version_that_a_rollback_brought_back_is_in_use_again() -> None:
    events = (*ROTATED, ASTER.replaced(1))
    assert destroyed(*events) == [ASTER.destroyed(2, 3)]
    with pytest.raises(Refused, match="version 1"):
        destroyed(*events, versions=[1])


def test_a_version_that_was_destroyed_before_is_refused_by_name() -> None:
    with pytest.raises(SecretsDestroyed, match="version 1 for aster was destroyed before"):
        destroyed(*ROTATED, ASTER.destroyed(1), versions=[2, 1])


@pytest.mark.parametrize("versions", [[4], [1, 4], [0]])
def test_a_version_that_never_was_is_refused_by_name(versions: list[int]) -> None:
    with pytest.raises(CredentialNotFound, match=f"aster never had a version {versions[-1]}"):
        destroyed(*ROTATED, versions=versions)


@pytest.mark.parametrize(
    "wanted",
    [
        SlotQuery(3, "backpack"),
        SlotQuery(2, "aster", 0),
        SlotQuery(2, "aster", None, "read_only"),
    ],
    ids=str,
)
def test_a_slot_that_was_never_filled_is_refused_by_name(wanted: SlotQuery) -> None:
    with pytest.raises(CredentialNotFound, match=r"never had a credential for") as refused:
        destroyed(*ROTATED, wanted=wanted)
    assert refused.value.message.endswith(str(wanted))


@pytest.mark.parametrize(
    ("wanted", "gone"),
    [
        (SlotQuery(2, "aster"), [ASTER, NUMBERED, READ_ONLY]),
        (SlotQuery(2, "aster", 4), [NUMBERED]),
        (SlotQuery(2, "aster", None, "full"), [ASTER, NUMBERED]),
        (SlotQuery(2, "aster", None, "read_only"), [READ_ONLY]),
        (SlotQuery(2, "aster", 4, "full"), [NUMBERED]),
        (SlotQuery(3, "backpack"), [BACKPACK]),
    ],
)
def test_what_is_not_said_of_a_slot_stands_for_every_one(
    wanted: SlotQuery, gone: list[Credential]
) -> None:
    held = [ASTER, NUMBERED, READ_ONLY, BACKPACK]
    events = [event for one in held for event in (one.added(), one.removed())]
    assert destroyed(created(), *events, wanted=wanted) == [one.destroyed(1) for one in gone]


def test_former_credentials_of_the_slot_are_told_by_events_of_their_own() -> None:
    events = (*ROTATED, ASTER.removed(), LATER.added(4), LATER.replaced(5))
    assert destroyed(*events) == [ASTER.destroyed(1, 2, 3), LATER.destroyed(4)]
    assert destroyed(*events, versions=[4, 2]) == [ASTER.destroyed(2), LATER.destroyed(4)]


def test_a_version_that_the_log_tells_of_twice_is_destroyed_once() -> None:
    """As after a rollback that brought the first version back, and a third replacement."""
    events = (*ROTATED, ASTER.replaced(1), ASTER.replaced(4))
    assert destroyed(*events) == [ASTER.destroyed(1, 2, 3)]


def test_a_removed_credential_loses_all_of_its_versions_and_no_other_loses_any() -> None:
    events = history(*ROTATED, BACKPACK.added(), BACKPACK.replaced(2))
    assert rules.destroy_credential(events, str(ASTER.id)) == [ASTER.destroyed(1, 2, 3)]
    assert rules.destroy_credential(events, str(BACKPACK.id)) == [BACKPACK.destroyed(1, 2)]
    assert rules.destroy_credential(events, str(uuid.UUID(int=77))) == []


def test_what_was_destroyed_before_is_left_out_when_the_credential_is_removed() -> None:
    events = history(*ROTATED, ASTER.destroyed(1, 2))
    assert rules.destroy_credential(events, str(ASTER.id)) == [ASTER.destroyed(3)]


def test_an_event_that_seals_nothing_is_no_version() -> None:
    versions = rules.sealed_versions(
        history(*ROTATED, ASTER.updated(label="x"), ASTER.destroyed(1))
    )
    assert [(version.number, version.data_key_id) for version in versions] == [
        (number, str(ASTER.key(number))) for number in (1, 2, 3)
    ]
    assert CredentialSecretsDestroyed(
        **versions[0].identity, versions=[1], data_key_ids=[ASTER.key(1)]
    ) == ASTER.destroyed(1)


def test_an_event_that_somebody_made_by_hand_is_no_version_unless_it_seals_something() -> None:
    (event,) = history(ASTER.updated(label="x"))
    for name in ("tokens", "data_key_id"):
        assert rules.sealed_versions([event._replace(data={**event.data, name: "x"})]) == []


def test_the_keys_that_are_gone_are_those_of_all_destructions() -> None:
    events = history(*ROTATED, ASTER.destroyed(2), ASTER.destroyed(1))
    assert rules.destroyed_keys(events) == {str(ASTER.key(1)), str(ASTER.key(2))}
    assert rules.destroyed_keys(history(*ROTATED)) == set()
