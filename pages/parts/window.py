"""The browser's window: the address carries what the page shows, and the page knows whether the window is narrow.

    narrow = window.follow({"p": link, "seed": 7}, key="window")

The address is replaced, not added to, so that Back leads to the page before and not through every stroke.
"""
from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

NARROW = 640  # CSS pixels

JS = """
const watching = new WeakMap();
export default function ({ data, parentElement, setStateValue }) {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(data.query)) {
    if (value === null) url.searchParams.delete(name); else url.searchParams.set(name, value);
  }
  if (url.href !== window.location.href) window.history.replaceState(window.history.state, '', url);
  const look = () => {
    const narrow = window.innerWidth < data.limit;
    if (narrow !== data.narrow) setStateValue('narrow', narrow);
  };
  const stop = () => { window.removeEventListener('resize', watching.get(parentElement)); watching.delete(parentElement); };
  look();
  stop();
  watching.set(parentElement, look);
  window.addEventListener('resize', look);
  return stop;
}
"""

_component = st.components.v2.component("gan_dissection_window", html="<span></span>", js=JS)


def follow(query: Mapping[str, object], key: str, *, guess: bool = False) -> bool:
    """Puts values into the address (None takes one out) and says whether the window is narrower than a tablet.

    guess: what is taken before the browser has answered; only a window of the other kind answers, which costs one rerun.
    """
    from pages.parts import state

    known = (state.get(key) or {}).get("narrow")
    narrow = known if isinstance(known, bool) else guess
    _component(key=key, height=1, on_narrow_change=lambda: None,
               data={"query": {k: None if v is None else str(v) for k, v in query.items()}, "narrow": narrow, "limit": NARROW})
    return narrow


def likely_narrow() -> bool:
    """Whether the browser says that it is a phone's."""
    return "Mobile" in str(st.context.headers.get("User-Agent", ""))
