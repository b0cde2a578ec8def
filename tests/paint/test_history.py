"""Undo and redo."""
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core.paint import Painting, Stroke, Timeline
from core.paint.history import MAX_STEPS

EMPTY = Painting("scenes", "layer4", 7)


def numbered(n: int) -> Painting:
    return EMPTY.on(n)


def test_undo_goes_back_and_redo_comes_again() -> None:
    t = Timeline.start(EMPTY).push(numbered(1)).push(numbered(2))
    assert t.undo().now == numbered(1)
    assert t.undo().undo().now == EMPTY
    assert t.undo().redo() == t
    assert t.redo() == t
    assert t.undo().undo().undo() == t.undo().undo()


def test_a_new_step_cuts_off_what_was_undone() -> None:
    t = Timeline.start(EMPTY).push(numbered(1)).push(numbered(2)).undo().push(numbered(3))
    assert [p.seed for p in t.steps] == [7, 1, 3]
    assert not t.can_redo


def test_the_present_state_again_is_no_step() -> None:
    t = Timeline.start(EMPTY).push(numbered(1)).undo()
    assert t.push(EMPTY) is t
    assert t.can_redo


def test_the_oldest_steps_are_forgotten_first() -> None:
    t = Timeline.start(EMPTY)
    for n in range(MAX_STEPS + 50):
        t = t.push(EMPTY.add(Stroke("tree", points=((n % 60, 1),))))
    assert len(t.steps) == MAX_STEPS
    assert t.cursor == MAX_STEPS - 1
    assert not t.can_redo


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.just("undo"), st.just("redo"), st.integers(100, 110)), max_size=30))
def test_any_sequence_agrees_with_two_stacks(actions: list[str | int]) -> None:
    timeline, back, forward, now = Timeline.start(EMPTY), [], [], EMPTY
    for action in actions:
        if action == "undo":
            timeline = timeline.undo()
            if back:
                forward.append(now)
                now = back.pop()
        elif action == "redo":
            timeline = timeline.redo()
            if forward:
                back.append(now)
                now = forward.pop()
        elif (new := numbered(int(action))) != now:
            timeline = timeline.push(new)
            back.append(now)
            forward, now = [], new
        assert timeline.now == now
        assert (timeline.can_undo, timeline.can_redo) == (bool(back), bool(forward))
