"""A blind vote on the results of a comparison: two pictures without names, a choice, then who made them and the tally so far.

    vote.ask(board, view.part, key="same")

Votes stay with their visitor, for as long as the session lasts.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.compare import BEFORE, GAN_RANDOM, Board, mark
from core.compare.vote import Choice, Vote, draw, tally
from pages.parts import gallery, state

SIDE = 320
KEPT = "votes"


def ask(board: Board, part: tuple[slice, slice], *, key: str) -> None:
    """The vote on this board's methods, shown by that part (rows, columns); controls are left out, since they remove nothing."""
    answers = {a.method: a for a in board.answers if not a.problem and a.method not in (BEFORE, GAN_RANDOM)}
    if len(answers) < 2:
        return
    with st.expander("Which looks more natural? Vote without seeing the names", icon=":material/how_to_vote:"):
        _vote(board, list(answers), part, key)


@st.fragment
def _vote(board: Board, methods: Sequence[str], part: tuple[slice, slice], key: str) -> None:
    titles = {a.method: a.title for a in board.answers}
    name, about = f"{key}.ballot", (mark(board.question.before, board.question.mask), tuple(methods))
    held = state.get(name)
    if held is None or held[0] != about:
        held = (about, draw(methods, np.random.default_rng()), None)
        state.put(name, held)
    _, ballot, cast = held
    images = {a.method: a.image[part] for a in board.answers}
    for place, method, side in zip(st.columns(2), (ballot.left, ballot.right), ("Left", "Right"), strict=True):
        with place:
            gallery.show(images[method], side if cast is None else f"{side}: {titles[method]}", side=SIDE, stretch=True)
    with st.container(horizontal=True):
        if cast is None:
            for choice, said in (("left", "Left"), ("right", "Right"), ("", "Can't say")):
                st.button(said, key=f"{key}.vote.{choice or 'neither'}", on_click=_cast, args=(name, choice))
        else:
            st.button("Next pair", key=f"{key}.vote.next", icon=":material/arrow_forward:", on_click=_next, args=(name,))
    votes: tuple[Vote, ...] = state.get(KEPT, ())
    if not votes:
        st.caption("The names are told after each vote. Votes stay in this session.")
        return
    st.dataframe(pd.DataFrame([
        {"preferred": titles.get(d.first, d.first), "to": titles.get(d.second, d.second), "votes": d.wins + d.losses,
         "share": "–" if not d.wins + d.losses else f"{d.share:.0%} [{d.low:.0%}, {d.high:.0%}]", "can't say": d.undecided}
        for d in tally(votes)]), hide_index=True)
    st.caption(f"{len(votes)} votes of this session, over all pictures. Share of the decided votes [95 %, Wilson]: where one half lies "
               "within, it may be chance.")


def _cast(name: str, choice: Choice) -> None:
    about, ballot, cast = state.get(name)
    if cast is None:  # a second click on the same pair does not count
        vote = ballot.cast(choice)
        state.put(name, (about, ballot, vote))
        state.put(KEPT, (*state.get(KEPT, ()), vote))


def _next(name: str) -> None:
    about, ballot, _ = state.get(name)
    state.put(name, (about, draw(about[1], np.random.default_rng(), ballot), None))
