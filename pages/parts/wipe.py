"""Before and after in one place: a line to drag over the picture, and a button to hold.

    wipe.wipe(before, after, key="result")

The picture follows its column's width, enlarged by whole numbers where there is room, so that it stays crisp. It works inside
tabs (it measures itself when it is first seen), with the mouse, with a finger (up and down still scrolls the page) and with arrow
keys.
"""
from __future__ import annotations

import base64

import numpy as np
import streamlit as st

from core.image import check_rgb, encode

CRISP = 160  # pictures up to this many pixels are sent without loss: they are shown enlarged

HTML = """
<div class="wipe">
  <div class="stage">
    <img class="after" draggable="false"><img class="before" draggable="false">
    <div class="edge"></div><div class="grip">&#8596;</div>
    <input type="range" min="0" max="100" step="0.5">
  </div>
  <div class="bar"><span class="left"></span><button type="button" class="hold"></button><span class="right"></span></div>
</div>
"""

CSS = """
.wipe { width: 100%; font-family: var(--st-font); color: var(--st-text-color); }
.stage { position: relative; width: 100%; max-width: 100%; overflow: hidden; border-radius: var(--st-base-radius);
         line-height: 0; --at: 50%; user-select: none; }
.stage img { width: 100%; display: block; image-rendering: pixelated; }
.stage .before { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.peek .before { clip-path: none; }
.edge { position: absolute; top: 0; bottom: 0; left: clamp(1px, var(--at), calc(100% - 1px)); width: 2px;
        margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px rgba(0,0,0,.45); pointer-events: none; }
.peek .edge, .peek .grip { display: none; }
.grip { position: absolute; top: 50%; left: clamp(17px, var(--at), calc(100% - 17px)); transform: translate(-50%, -50%);
        width: 30px; height: 30px; line-height: 28px; pointer-events: none; text-align: center; border-radius: 50%;
        background: #fff; color: #222; font-size: 16px;
        box-shadow: 0 0 0 1px rgba(0,0,0,.45); }
.stage input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize;
               touch-action: pan-y; -webkit-appearance: none; appearance: none; }
.stage input::-webkit-slider-thumb { -webkit-appearance: none; width: 2px; height: 1000px; }
.stage:focus-within { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.bar { display: flex; justify-content: space-between; align-items: center; gap: .5rem; margin-top: .45rem; font-size: .9rem; }
.hold { font: inherit; color: inherit; background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color);
        border-radius: var(--st-base-radius); padding: .35rem .8rem; min-height: 2.4rem; cursor: pointer; touch-action: none;
        user-select: none; -webkit-user-select: none; }
.hold:active, .peek + .bar .hold { border-color: var(--st-primary-color); color: var(--st-primary-color); }
"""

JS = """
const watched = new WeakMap();
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector('.wipe');
  const find = (s) => root.querySelector(s);
  const stage = find('.stage'), line = find('input'), hold = find('.hold');
  for (const side of ['before', 'after']) {
    const image = find('img.' + side);
    if (image.getAttribute('src') !== data[side]) image.src = data[side];
    image.alt = data[side + 'Label'];
  }
  find('.left').textContent = data.beforeLabel;
  find('.right').textContent = data.afterLabel;
  hold.textContent = 'Hold: ' + data.beforeLabel;
  line.setAttribute('aria-label', 'Line between ' + data.beforeLabel + ' and ' + data.afterLabel);
  const place = () => stage.style.setProperty('--at', line.value + '%');
  line.oninput = place;
  if (!root.dataset.placed) { root.dataset.placed = '1'; line.value = data.at; }
  place();
  const peek = (on) => stage.classList.toggle('peek', on);
  hold.onpointerdown = (e) => { hold.setPointerCapture(e.pointerId); peek(true); };
  hold.onpointerup = hold.onpointercancel = hold.onblur = () => peek(false);
  hold.oncontextmenu = (e) => e.preventDefault();
  hold.onkeydown = (e) => { if (e.key === ' ' || e.key === 'Enter') { e.preventDefault(); peek(true); } };
  hold.onkeyup = () => peek(false);
  const fit = () => {
    const room = Math.min(root.clientWidth, data.maxSide);
    if (!room) return;                                   // not seen yet (a closed tab): the observer calls again
    const times = Math.floor(room / data.width);
    stage.style.width = (times >= 1 ? times * data.width : room) + 'px';
    find('.bar').style.width = stage.style.width;
  };
  watched.get(root)?.disconnect();
  const observer = new ResizeObserver(fit);
  observer.observe(root);
  watched.set(root, observer);
  fit();
  return () => { watched.get(root)?.disconnect(); watched.delete(root); };
}
"""

_component = st.components.v2.component("gan_dissection_wipe", html=HTML, css=CSS, js=JS)


def wipe(before: np.ndarray, after: np.ndarray, key: str, *, labels: tuple[str, str] = ("before", "after"), at: int = 50,
         max_side: int = 640) -> None:
    """Two pictures of one size (uint8 RGB) over each other; `before` is left of the line, which starts at `at` percent.

    max_side: widest size on the screen, in CSS pixels. Raises BadInput for what is no picture.
    """
    before, after = check_rgb(before), check_rgb(after)
    _component(key=key, width="stretch", height="content", data={
        "before": _source(before), "after": _source(after), "beforeLabel": labels[0], "afterLabel": labels[1], "at": at,
        "width": before.shape[1], "maxSide": max_side})


def _source(image: np.ndarray) -> str:
    kind = "PNG" if max(image.shape) <= CRISP else "JPEG"
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encode(image, kind, quality=95)).decode()}"
