"""A row of small cards to pick from: pictures, brushes, strokes. It scrolls sideways and works with a finger and by keyboard.

    cards.row([Card("7", "seed 7", picture=jpeg), …], key="seeds", on_pick=callback)     # in the callback: cards.picked("seeds")

A card can carry a colour chip and a letter (a key that picks it, when no text field has the focus) and small buttons of its own.
"""
from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from pages.parts import state

HTML = '<div class="row" role="group"></div>'

CSS = """
.row { display: flex; gap: .5rem; overflow-x: auto; padding: 3px 3px .5rem; font-family: var(--st-font);
       color: var(--st-text-color); scrollbar-width: thin; }
.row.wrap { flex-wrap: wrap; overflow-x: visible; }
.card { flex: 0 0 auto; position: relative; display: flex; flex-direction: column; border: 1px solid var(--st-border-color);
        border-radius: var(--st-base-radius); background: var(--st-background-color); overflow: hidden; }
.card.on { border-color: var(--st-primary-color); box-shadow: 0 0 0 2px var(--st-primary-color); }
.card.dim .face { opacity: .42; }
.pick { font: inherit; font-size: .88rem; line-height: 1.25; color: inherit; background: none; border: 0; padding: 0;
        cursor: pointer; text-align: left; width: 100%; }
.pick:focus-visible, .act:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -3px; }
.card:hover { border-color: var(--st-primary-color); }
.face { display: block; }
.face img { display: block; width: var(--side); height: auto; image-rendering: pixelated; }
.text { display: flex; align-items: center; gap: .45rem; padding: .3rem .5rem; min-height: 1.5rem; }
.chips .text { padding: .5rem .7rem; min-height: 1.7rem; }
.chip { width: 1rem; height: 1rem; border-radius: 3px; border: 1px solid rgba(128,128,138,.6); flex: none; }
.key { font-size: .74rem; opacity: .75; border: 1px solid var(--st-border-color); border-radius: 3px; padding: 0 .28rem; }
.with-face .text { box-sizing: border-box; width: var(--side); }
.with-face .name { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.acts { display: flex; border-top: 1px solid var(--st-border-color); }
.act { flex: 1; font: inherit; font-size: .82rem; color: inherit; background: none; border: 0; padding: .38rem .3rem;
       cursor: pointer; min-height: 2rem; }
.act:hover { color: var(--st-primary-color); }
.act + .act { border-left: 1px solid var(--st-border-color); }
"""

JS = """
const keys = new WeakMap();
const field = (n) => n.tagName && (/^(INPUT|TEXTAREA|SELECT)$/.test(n.tagName) || n.isContentEditable);
const typing = (e) => e.composedPath().some((n) => field(n) && n.type !== 'range');
const made = (tag, name, text) => {
  const node = document.createElement(tag);
  node.className = name;
  if (text) node.textContent = text;
  return node;
};
export default function ({ data, parentElement, setTriggerValue }) {
  const row = parentElement.querySelector('.row');
  const at = row.scrollLeft, focused = parentElement.activeElement?.closest?.('.card')?.dataset.id;
  row.className = 'row' + (data.wrap ? ' wrap' : '') + (data.cards.some((c) => c.picture) ? '' : ' chips');
  row.setAttribute('aria-label', data.label);
  row.style.setProperty('--side', data.side + 'px');
  const pick = (id) => {
    for (const card of row.children) card.classList.toggle('on', card.dataset.id === id);
    setTriggerValue('pick', id);
  };
  row.replaceChildren(...data.cards.map((c) => {
    const card = made('div', '');
    card.className = 'card' + (c.on ? ' on' : '') + (c.dim ? ' dim' : '') + (c.picture ? ' with-face' : '');
    card.dataset.id = c.id;
    const button = made('button', 'pick');
    button.type = 'button'; button.title = c.title;
    button.setAttribute('aria-pressed', String(c.on));
    button.setAttribute('aria-label', c.title || c.caption);
    if (c.picture) {
      const face = made('span', 'face'), image = made('img', '');
      image.src = c.picture; image.alt = ''; image.draggable = false;
      face.append(image);
      button.append(face);
    }
    const text = made('span', 'text');
    if (c.colour) {
      const chip = made('span', 'chip');
      chip.style.background = c.colour;
      text.append(chip);
    }
    text.append(made('span', 'name', c.caption));
    if (c.letter) text.append(made('span', 'key', c.letter));
    button.append(text);
    button.onclick = () => pick(c.id);
    card.append(button);
    if (c.actions.length) {
      const acts = made('div', 'acts');
      for (const [id, label, title] of c.actions) {
        const act = made('button', 'act', label);
        act.type = 'button'; act.title = title;
        act.setAttribute('aria-label', title);
        act.onclick = () => setTriggerValue('act', { id: c.id, act: id });
        acts.append(act);
      }
      card.append(acts);
    }
    return card;
  }));
  row.scrollLeft = at;
  if (focused !== undefined) [...row.children].find((c) => c.dataset.id === focused)?.querySelector('.pick').focus();
  const chosen = row.querySelector('.card.on');
  if (chosen && data.follow && row.dataset.at !== chosen.dataset.id) {
    row.dataset.at = chosen.dataset.id;
    row.scrollLeft = Math.max(0, chosen.offsetLeft - row.clientWidth / 2);
  }
  const letters = Object.fromEntries(data.cards.filter((c) => c.letter).map((c) => [c.letter.toLowerCase(), c.id]));
  const before = keys.get(row);
  if (before) document.removeEventListener('keydown', before);
  const onkey = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || typing(e)) return;
    const id = letters[e.key.toLowerCase()];
    if (id === undefined) return;
    if (document.activeElement?.dataset.testid === 'stMain') document.activeElement.blur();  // no focus ring around the page
    pick(id);
  };
  if (Object.keys(letters).length) { document.addEventListener('keydown', onkey); keys.set(row, onkey); }
  return () => { const f = keys.get(row); if (f) document.removeEventListener('keydown', f); keys.delete(row); };
}
"""

_component = st.components.v2.component("gan_dissection_cards", html=HTML, css=CSS, js=JS)


@dataclass(frozen=True)
class Card:
    """id: what a pick gives. picture: PNG or JPEG bytes. colour: of a chip. letter: the key that picks it. actions: (id, text,
    explanation) of small buttons below."""

    id: str
    caption: str
    picture: bytes = b""
    colour: str = ""
    letter: str = ""
    title: str = ""
    on: bool = False
    dim: bool = False
    actions: tuple[tuple[str, str, str], ...] = ()


def row(items: Sequence[Card], key: str, *, label: str, side: int = 80, wrap: bool = False, follow: bool = False,
        on_pick: Callable[[], None] | None = None, on_act: Callable[[], None] | None = None) -> None:
    """Shows the cards. `label` says what they are to a screen reader; `follow` scrolls to the chosen card."""
    _component(key=key, width="stretch", height="content", on_pick_change=on_pick or _nothing, on_act_change=on_act or _nothing,
               data={"label": label, "side": side, "wrap": wrap, "follow": follow, "cards": [_plain(card) for card in items]})


def picked(key: str) -> str:
    """In an on_pick callback: the id of the card that was picked, "" when none."""
    found = (state.get(key) or {}).get("pick")
    return found if isinstance(found, str) else ""


def acted(key: str) -> tuple[str, str]:
    """In an on_act callback: the card's id and the button's, ("", "") when none."""
    found = (state.get(key) or {}).get("act")
    if not isinstance(found, dict) or not isinstance(found.get("id"), str) or not isinstance(found.get("act"), str):
        return "", ""
    return found["id"], found["act"]


def _plain(card: Card) -> dict[str, object]:
    kind = "png" if card.picture[:4] == b"\x89PNG" else "jpeg"
    return {"id": card.id, "caption": card.caption, "colour": card.colour, "letter": card.letter, "title": card.title,
            "on": card.on, "dim": card.dim, "actions": [list(a) for a in card.actions],
            "picture": f"data:image/{kind};base64,{base64.b64encode(card.picture).decode()}" if card.picture else ""}


def _nothing() -> None:
    """Streamlit keeps a component's value only where there is a callback."""
