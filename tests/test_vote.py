"""Blind votes between two methods."""
from __future__ import annotations

import math

import numpy as np
import pytest

from core.compare.vote import Ballot, Duel, Vote, draw, tally, wilson


@pytest.mark.parametrize(("wins", "n", "low", "high"), [
    (0, 10, 0.0, 0.2775),          # Newcombe 1998, Stat. Med. 17, table I: 0/20 and 81/263, 15/148; 0/10 by hand: z²/(n + z²)
    (0, 20, 0.0, 0.1611),
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (1, 29, 0.0061, 0.1718),
    (10, 10, 0.7225, 1.0),
    (5, 10, 0.2366, 0.7634),
    (0, 0, 0.0, 1.0),
])
def test_wilson_interval_is_that_of_the_books(wins, n, low, high):
    assert wilson(wins, n) == pytest.approx((low, high), abs=5e-5)


def test_a_ballot_remembers_which_side_was_which():
    ballot = Ballot("telea", "patchmatch")
    assert ballot.cast("right") == Vote("telea", "patchmatch", "patchmatch")
    assert ballot.cast("left").preferred == "telea"
    assert ballot.cast("").preferred == ""


def test_every_pair_is_drawn_on_both_sides_and_none_twice_in_a_row():
    rng = np.random.default_rng(0)
    drawn, ballot = [], None
    for _ in range(300):
        new = draw(["a", "b", "c"], rng, ballot)
        assert ballot is None or {new.left, new.right} != {ballot.left, ballot.right}
        drawn.append((new.left, new.right))
        ballot = new
    assert set(drawn) == {(x, y) for x in "abc" for y in "abc" if x != y}
    assert {draw(["a", "b"], rng, Ballot("a", "b")).left for _ in range(50)} == {"a", "b"}


def test_tally_counts_each_pair_whichever_side_it_was_on():
    votes = [Vote("a", "b", "b"), Vote("b", "a", "b"), Vote("a", "b", "a"), Vote("b", "a"), Vote("c", "a", "c")]
    assert tally(votes) == [Duel("b", "a", 2, 1, 1, *wilson(2, 3)), Duel("c", "a", 1, 0, 0, *wilson(1, 1))]
    assert tally(votes)[0].share == pytest.approx(2 / 3)
    assert math.isnan(tally([Vote("a", "b")])[0].share)
    assert tally([]) == []
