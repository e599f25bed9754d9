"""When a supervisor acts."""

from registry.services.supervising.pace import NEVER, Backoff, Quiet


def test_each_change_begins_the_quiet_time_anew_but_not_for_ever() -> None:
    quiet = Quiet(2.0)
    assert quiet.due == NEVER
    quiet.changed(100.0)
    quiet.changed(101.0)
    assert quiet.due == 103.0
    for moment in range(102, 130):
        quiet.changed(float(moment))
    assert quiet.due == 120.0
    quiet.taken()
    assert quiet.due == NEVER
    quiet.changed(200.0)
    assert quiet.due == 202.0


def test_changes_can_be_held_and_what_must_be_now_cannot() -> None:
    quiet = Quiet(2.0)
    quiet.changed(100.0)
    quiet.hold(110.0)
    assert quiet.due == 110.0
    quiet.at(101.0)
    quiet.changed(101.0)
    assert quiet.due == 101.0


def test_pauses_double_up_to_a_minute_until_a_program_ran_well() -> None:
    pauses = Backoff()
    assert [pauses.after(3.0) for _ in range(9)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert [pauses.after(lived) for lived in (61.0, 59.0, 59.0)] == [0, 1, 2]
    failing = Backoff()
    assert [failing.grown(at_least=1) for _ in range(4)] == [1, 2, 4, 8]
