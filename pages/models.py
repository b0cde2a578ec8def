"""Models and segmenters: what is here, what can be fetched, one's own; concepts of one's own; stored results and running jobs."""
from __future__ import annotations

import functools
import json
import time
from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core import segment, zoo
from core.errors import GanLabError, UnknownName
from core.jobs import Report, jobs, short
from core.segment import SegmenterCard, hub
from core.store import Entry
from core.zoo import own, weights
from core.zoo.cards import Card
from core.zoo.weights import Remote
from pages.parts import concepts, frame, job_panel, pickers, state

VIEWS = ("Models", "Segmenters", "Concepts", "Results")
MB = 2**20


# --- generators ---------------------------------------------------------------------------------------------------------------
def models() -> None:
    here = [n for n in zoo.known() if zoo.here(n) or zoo.card(n).bundled]
    st.markdown("##### Here")
    for name in here:
        with st.container(border=True):
            model_row(name, zoo.card(name))
    for file, problem in zoo.problems().items():
        what = problem if problem.startswith(file) else f"{file} cannot be used: {problem}"
        st.warning(frame.escape(what), icon=":material/warning:")
    bring_your_own()
    absent = [n for n in zoo.known() if n not in here]
    if absent:
        st.markdown("##### Published models, to be fetched")
        for name in absent:
            fetch_row(name, zoo.card(name))


def model_row(name: str, card: Card) -> None:
    left, right = st.columns([4, 1], vertical_alignment="center")
    title = f"**{frame.escape(card.title)}**" + (f" · {frame.escape(name)}" if card.title != name else "")
    left.markdown(f"{title}  \n{facts(card)}")
    if card.notes:
        left.caption(frame.escape(card.notes))
    with right:
        if name == state.model():
            st.badge("chosen", icon=":material/check:")
        else:
            pickers.go("layers", "Open", model=name, key=f"models.open.{name}")


def size(count: int) -> str:
    """Bytes as "70 MB", "0.4 MB"."""
    return f"{count / MB:.0f} MB" if count >= 10 * MB else f"{count / MB:.1f} MB"


def facts(card: Card) -> str:
    """Family, picture size, layers and size on disk, in one line."""
    height, width = card.image_size
    path = zoo.weights_path(card.name)
    parts = [card.family, f"{width} × {height}" if height else "", f"{len(card.layers)} layers" if card.layers else "",
             size(path.stat().st_size) if path.is_file() else "the file is missing", card.licence]
    labels = f"labels: {', '.join(card.segmenters)}" if card.segmenters else "no segmenter yet: paint concepts"
    return " · ".join(frame.escape(p) for p in [*parts, labels] if p)


def fetch_row(name: str, card: Card) -> None:
    """One published model: a line, and on opening it everything about the download."""
    remote = weights.remote_of(name)
    height, width = card.image_size
    job = weights.downloads.get(f"fetch:{name}")
    open_ = state.get(f"models.trouble.{name}") or job is not None and job.state != "done"
    with st.expander(f"**{frame.escape(card.title)}** · {width} × {height} · {len(card.layers)} layers · about "
                     f"{card.bytes / MB:.0f} MB", icon=":material/cloud_download:", expanded=bool(open_)):
        st.markdown(f"{frame.escape(card.licence)}.  \n{frame.escape(card.citation)}.")
        if card.notes:
            st.markdown(frame.escape(card.notes))
        fetch_panel(name, card.title, _fetch_model, [remote])
        st.caption(f"From {frame.escape(card.url)}; checked against its SHA-256, which begins with {card.sha256}. "
                   "The same on the command line, also from a mirror or a file:")
        st.code(f"python -m core models fetch {name} --source FILE_OR_ADDRESS", language="bash")
        st.caption("It is kept as:")
        st.code(str(remote.target), language=None)


def fetch_panel(name: str, title: str, work: Callable[[str, str, Report], None], files: Sequence[Remote]) -> None:
    """The download with its progress, from elsewhere if wished; or the reason why there is none.

    Strangers name no address and bring no file: on a hosted installation there is neither the button nor the form, and the operator's
    mirror is a setting.
    """
    if weights.hosted():
        st.caption("Fetching is switched off on this installation.")
        return
    first = st.container()
    source = elsewhere(name, files) if files else ""
    if trouble := state.get(f"models.trouble.{name}"):
        st.error(frame.escape(str(trouble)), icon=":material/error:")
    if weights.offline():
        first.caption("The network is switched off (GAN_DISSECTION_OFFLINE).")
        return
    with first:
        partial = sum(weights.partial_bytes(f.target) for f in files)
        note = f"{partial / MB:.1f} MB are here already; it goes on from there." if partial else ""
        job_panel.show(f"fetch:{name}", f"Fetch {title}", functools.partial(work, name, source), unit="MB",
                       button="Continue" if partial else "Fetch", note=note, again=True, queue=weights.downloads)


def elsewhere(name: str, files: Sequence[Remote]) -> str:
    """A mirror's address to fetch from ("" = none), and the same files from the visitor's own disk."""
    with st.popover("From a mirror, or a file you have", icon=":material/alt_route:"):
        folder = len(files) > 1
        text = "" if weights.offline() else st.text_input(
            "Address of a folder with these files" if folder else "Address of the file, or of a folder with it",
            key=f"models.mirror.{name}", placeholder="https://mirror.example/models/",
            help="Where Fetch takes it from instead; a folder's address ends with a slash. Nobody else is asked then.")
        named = ", ".join(f.target.name for f in files)
        st.file_uploader(f"Or bring {frame.escape(named)} from your own disk", type=sorted({f.target.suffix[1:] for f in files}),
                         accept_multiple_files=True, key=f"models.file.{name}", on_change=_bring, args=(name, files),
                         max_upload_size=600 if folder else 200)
    try:
        return weights.address(text) if text else ""
    except GanLabError as error:
        st.error(frame.escape(str(error)), icon=":material/link_off:")
        return ""


def _bring(name: str, files: Sequence[Remote]) -> None:
    """Keeps files that a visitor brought; a published one only when its hash is right."""
    if weights.hosted():
        return
    wanted = {f.target.name: f for f in files}
    try:
        for sent in state.get(f"models.file.{name}") or ():
            found = wanted.get(sent.name) or (files[0] if len(files) == 1 else None)
            if found is None:
                raise UnknownName("file of this segmenter", sent.name, wanted)
            weights.receive(sent, sent.size, found.target, name=sent.name, sha256=found.sha256)
        state.drop(f"models.trouble.{name}")
    except GanLabError as error:
        state.put(f"models.trouble.{name}", str(error))


def _fetch_model(name: str, source: str, report: Report) -> None:
    weights.fetch(name, source=source, report=_in_megabytes(report))


def _fetch_segmenter(name: str, source: str, report: Report) -> None:
    weights.fetch_segmenter(name, source=source, report=_in_megabytes(report))


def _in_megabytes(report: Report) -> Report:
    return lambda done, total, note="": report(done // MB, max(1, -(-total // MB)), note)


def bring_your_own() -> None:
    with st.expander("Use a generator of your own", icon=":material/upload_file:"):
        st.markdown("A weight file of a known family (Progressive GAN, DCGAN; `.safetensors` or a PyTorch state dict) is recognised by "
                    "itself. Put it into this folder, or add it on the command line, which also says what keeps a file from being used:")
        st.code(f"{own.add_folder()}\npython -m core models check FILE\npython -m core models add FILE --name NAME", language="bash")
        st.markdown("Any other network is named by its code: a function that returns an `nn.Module` from latents to pictures.")
        st.code("python -m core models add package.module:function --name NAME", language="bash")
        st.caption("Files are never taken from a browser: a weight file from a stranger is not safe to open on a shared server.")


# --- segmenters ---------------------------------------------------------------------------------------------------------------
def segmenters() -> None:
    cards = segment.cards()
    families: dict[str, list[SegmenterCard]] = {}
    for card in cards.values():
        families.setdefault(card.family, []).append(card)
    for listed in families.values():
        with st.container(border=True):
            for card in listed:
                if card.package and hub.installed() and not segment.here(card.name):
                    fetch_packaged(card)
                else:
                    segmenter_row(card)
            if not all(segment.here(card.name) for card in listed):
                get_segmenters(listed)
    own_sets = [n for n in segment.names() if n not in cards]
    if own_sets:
        with st.container(border=True):
            for name in own_sets:
                used = name in zoo.card(state.model()).segmenters
                st.markdown(f"**Concepts of your own** · {frame.escape(name)}" + (" · in use" if used else ""))
    st.caption("A model without a segmenter can be dissected with concepts that you paint: see Concepts.")


def segmenter_row(card: SegmenterCard) -> None:
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.markdown(f"**{frame.escape(card.title)}** · {frame.escape(card.name)}  \n{frame.escape(card.labels)}")
    if segment.here(card.name):
        used = card.name in zoo.card(state.model()).segmenters
        right.badge("in use" if used else "here", icon=":material/check:", color="green" if used else "gray")


def fetch_packaged(card: SegmenterCard) -> None:
    """One whose files nobody shares: a line, and on opening it the download."""
    job = weights.downloads.get(f"fetch:{card.name}")
    with st.expander(f"**{frame.escape(card.title)}** · {frame.escape(card.name)} · {frame.escape(card.labels)} · about "
                     f"{card.bytes / MB:.0f} MB", icon=":material/cloud_download:", expanded=job is not None and job.state != "done"):
        fetch_panel(card.name, card.title, _fetch_segmenter, ())


def get_segmenters(family: Sequence[SegmenterCard]) -> None:
    """How to get the files or the package that all of a family share."""
    card = family[0]
    st.caption(f"{frame.escape(card.licence)}. {frame.escape(card.citation)}")
    if card.package and not hub.installed():
        st.caption("Needs an optional package; after a restart their weights can be fetched here:")
        st.code(f"pip install {card.package}", language="bash")
    elif card.package:
        st.caption("Kept in the hub's own cache; a mirror is named by HF_ENDPOINT. The same on the command line:")
        st.code(f"python -m core models fetch {card.name}", language="bash")
    elif card.hosts:
        files = weights.of_segmenter(card.name)
        fetch_panel(card.name, card.title, _fetch_segmenter, files)
        st.caption(f"{len(files)} files, about {card.bytes / 1e6:.0f} MB together, from {frame.escape(card.hosts[0])}. The same on the "
                   "command line, also from a mirror or a folder:")
        st.code(f"python -m core models fetch {card.name} --source FOLDER", language="bash")
    else:
        st.warning("It ships with the project, but its file is missing.", icon=":material/warning:")


# --- stored results -----------------------------------------------------------------------------------------------------------
def age(created: str) -> str:
    """"2026-11-23T12:00:00Z" -> "3 h"."""
    try:
        seconds = time.time() - timegm(time.strptime(created, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "now"


def row(entry: Entry) -> dict[str, Any]:
    """One line of the table of stored runs."""
    params: Mapping[str, Any] = entry.manifest.get("run", {}).get("params", {})
    about = [str(params[k]) for k in ("layer", "label", "name", "concept") if params.get(k)]
    return {"kind": entry.kind, "model": str(params.get("model", params.get("base", ""))), "about": ", ".join(about),
            "images": params.get("images"), "MB": entry.bytes / MB, "age": age(str(entry.manifest.get("created", ""))),
            "took (s)": entry.manifest.get("seconds"), "where": "shipped" if entry.read_only else "cache",
            "state": "damaged" if entry.problem else "", "key": entry.key[:12]}


def results() -> None:
    running()
    half_done()
    entries = state.store().list()
    if not entries:
        st.info("No result is stored yet. Dissect a model on the Layers page; what is made there is kept here.",
                icon=":material/inventory_2:")
        return
    total, mine = sum(e.bytes for e in entries), [e for e in entries if not e.read_only]
    st.markdown(f"**{len(entries)} stored results**, {size(total)}: {len(mine)} made here, {len(entries) - len(mine)} shipped with the "
                "project, which stay. Choose one to see what it was made from.")
    picked = st.dataframe(pd.DataFrame([row(e) for e in entries]), hide_index=True, on_select="rerun", selection_mode="single-row",
                          key="models.runs", height=min(420, 41 + 35 * len(entries)),
                          column_config={"MB": st.column_config.NumberColumn(format="%.2f"),
                                         "took (s)": st.column_config.NumberColumn(format="%.1f")})
    rows = picked.get("selection", {}).get("rows", [])
    if rows and rows[0] < len(entries):
        detail(entries[rows[0]])


def half_done() -> None:
    """What is kept of runs that were cut off, and its removal."""
    runs, used = state.store().half_done()
    if not runs or weights.hosted():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{runs} {'run was' if runs == 1 else 'runs were'} cut off** and not gone on with; what is kept of "
                    f"{'it' if runs == 1 else 'them'} takes {size(used)}. The same run, asked for again, goes on from there.")
        st.button("Remove what is kept", key="models.half_done", icon=":material/delete_sweep:", on_click=_drop_half_done)


def _drop_half_done() -> None:
    try:
        state.store().drop_half_done()
    except OSError as error:
        state.put("models.notice", f"What is kept could not be removed: {error}")
    else:
        state.put("models.notice", "")


def detail(entry: Entry) -> None:
    """Everything that one stored run was made from, and its deletion."""
    st.markdown(f"##### {entry.kind} · {entry.key[:12]}")
    if entry.problem:
        st.warning(frame.escape(entry.problem), icon=":material/broken_image:")
    if not entry.read_only and not weights.hosted():
        with st.popover("Delete", icon=":material/delete:"):
            st.markdown("This cannot be taken back; it can be computed again.")
            st.button("Delete this result", key=f"models.delete.{entry.key}", type="primary", on_click=_delete, args=(entry.key,))
    short_manifest = {k: v for k, v in entry.manifest.items() if len(json.dumps(v)) < 4000}
    st.json(short_manifest, expanded=2)


def _delete(key: str) -> None:
    try:
        state.store().delete(key)
    except (GanLabError, OSError) as error:
        state.put("models.notice", f"The result could not be deleted: {error}")
    else:
        state.put("models.notice", "")


@st.fragment(run_every=3)
def running() -> None:
    """Jobs that wait or run, whoever started them."""
    listed = [(queue, job) for queue in (jobs, short, weights.downloads) for job in queue.list()]
    active = [(queue, job) for queue, job in listed if job.active]
    failed = [job for _, job in listed if job.state == "failed"]
    if notice := state.get("models.notice"):
        st.warning(frame.escape(str(notice)))
    if active:
        st.markdown(f"**{len(active)} running or waiting**")
    for queue, job in active:
        share = min(1.0, job.done / job.total) if job.total else 0.0
        left, right = st.columns([5, 1], vertical_alignment="center")
        where = f"waiting, {queue.position(job.key)} before it" if job.state == "queued" else \
            f"{job.done} of {job.total or '?'} {job.unit} {job.note}"
        left.progress(share, text=f"{frame.escape(job.title)}: {frame.escape(where)}")
        if not weights.hosted():
            right.button("Cancel", key=f"models.cancel.{job.key}", icon=":material/stop:", on_click=queue.cancel, args=(job.key,))
    for job in failed[-3:]:
        st.caption(f"Failed: {frame.escape(job.title)}: {frame.escape(job.error)}")
    if not active:
        st.caption("No job is running.")


frame.begin("Models", "See which generators and segmenters are here, fetch published ones, teach concepts to a model of your own, "
                      "and look after stored results.")
view = st.segmented_control("Show", VIEWS, default=VIEWS[0], required=True, key="show", bind="query-params",
                            label_visibility="collapsed")
{"Models": models, "Segmenters": segmenters, "Concepts": concepts.section, "Results": results}[str(view)]()
