"""Compiled loops of the dissection: bilinear upsampling fused with counting, so that no dense tensor is ever built (numba).

All kernels walk a micro-batch of float32 maps (N,U,h,w) unit by unit over a counting grid of H × W pixels. The arithmetic is
fixed, so that `core.stats.dense` (plain tensors) gives the same float32 bits: first across, t = a·wx0 + b·wx1, then down,
v = t0·wy0 + t1·wy1, each product and sum rounded once. They hold no Python lock; callers cut the units between threads.
"""
from __future__ import annotations

from typing import Any

import numba
import numpy as np

jit: Any = numba.njit(nogil=True, cache=True, boundscheck=False)
MARGIN = np.float32(1 + 2e-6)  # a convex combination can exceed its largest term by rounding
UNSURE = np.uint16(1 << 15)  # flag of a cell that a level cuts in two


@numba.njit(nogil=True, cache=True, boundscheck=False, fastmath={"nnan", "nsz"})
def _largest(row):  # type: ignore[no-untyped-def]
    top = row[0]
    for x in range(1, row.size):
        top = max(top, row[x])
    return top


@jit
def _bounds(source, high, ready):  # type: ignore[no-untyped-def]
    """high (h,): no value blended from a row exceeds it (0 included: zero padding); ready (h,): no row is widened yet. Returns the
    map's largest value."""
    peak = _largest(source[0])
    for y in range(source.shape[0]):
        top = _largest(source[y])
        peak = max(peak, top)
        high[y] = max(top, np.float32(0)) * MARGIN
        ready[y] = False
    return peak


@jit
def _across(source, y, x0, x1, wx0, wx1, wide, ready):  # type: ignore[no-untyped-def]
    """Row y of a map (h,w) -> wide[y] (W,), once. A row that has the grid's width is itself."""
    if not ready[y]:
        row, out = source[y], wide[y]
        if row.size == out.size:
            for x in range(out.size):
                out[x] = row[x]
        else:
            for x in range(out.size):
                out[x] = row[x0[x]] * wx0[x] + row[x1[x]] * wx1[x]
        ready[y] = True
    return wide[y]


@jit
def _down(top, bottom, w_top, w_bottom, out):  # type: ignore[no-untyped-def]
    for x in range(out.size):
        out[x] = top[x] * w_top + bottom[x] * w_bottom


@jit
def _cells(v, low, scale, last, out):  # type: ignore[no-untyped-def]
    for x in range(v.size):
        at = (v[x] - low) * scale
        at = at if at > np.float32(0) else np.float32(0)
        out[x] = np.int32(at if at < last else last)


@jit
def _runs(i0, i1):  # type: ignore[no-untyped-def]
    """Where each stretch of grid pixels between the same two taps begins, and the end: (R+1,)."""
    out = np.empty(i0.size + 1, np.int64)
    n = 0
    for k in range(i0.size):
        if k == 0 or i0[k] != i0[k - 1] or i1[k] != i1[k - 1]:
            out[n] = k
            n += 1
    out[n] = i0.size
    return out[:n + 1]


@jit
def _blend(a0, a1, b0, b1, wx0, wx1, w_top, w_bottom, first, last, out):  # type: ignore[no-untyped-def]
    for x in range(first, last):
        out[x] = (a0 * wx0[x] + a1 * wx1[x]) * w_top + (b0 * wx0[x] + b1 * wx1[x]) * w_bottom


@jit
def count_one(acts, codes, columns, levels, y0, y1, wy0, wy1, x0, x1, wx0, wx1,  # type: ignore[no-untyped-def]
              first, last, total, peaks):
    """`count` for a single level (T = 1). Few pixels are above it, so grid pixels that lie between the same four map values are
    passed over together when all four are too low."""
    n, same = acts.shape[0], acts.shape[2] == y0.size and acts.shape[3] == x0.size
    found, high = np.empty(columns.shape[0], np.int32), np.empty(acts.shape[2], np.float32)
    ready = np.empty(acts.shape[2], np.bool_)
    rows, across, v = _runs(y0, y1), _runs(x0, x1), np.empty(x0.size, np.float32)
    for u in range(first, last):
        found[:] = 0
        level = levels[u, 0]
        for i in range(n):
            source = acts[i, u]
            peaks[i, u] = _bounds(source, high, ready)
            for r in range(rows.size - 1):
                top, bottom = y0[rows[r]], y1[rows[r]]
                if max(high[top], high[bottom]) <= level:
                    continue
                a, b = source[top], source[bottom]
                if same:  # every weight is 1 or 0
                    code = codes[i, r]
                    for x in range(a.size):
                        if a[x] > level:
                            found[code[x]] += 1
                    continue
                for c in range(across.size - 1):
                    left, right = x0[across[c]], x1[across[c]]
                    if level >= 0 and max(max(a[left], a[right]), max(b[left], b[right])) * MARGIN <= level:
                        continue
                    for y in range(rows[r], rows[r + 1]):
                        _blend(a[left], a[right], b[left], b[right], wx0, wx1, wy0[y], wy1[y], across[c], across[c + 1], v)
                        for x in range(across[c], across[c + 1]):
                            if v[x] > level:
                                found[codes[i, y, x]] += 1
        for m in range(columns.shape[0]):
            for k in range(columns.shape[1]):
                if columns[m, k] >= 0:
                    total[u, columns[m, k], 1] += found[m]


@jit
def count(acts, codes, columns, levels, low, scale, table, y0, y1, wy0, wy1, x0, x1, wx0, wx1,  # type: ignore[no-untyped-def]
          first, last, total, peaks):
    """Adds to total (U,columns,T+1) int32: pixels by unit, column and number of levels below the value (strictly).

    codes (N,H,W) uint32: each pixel's label combination × (T+1); columns (M,k) int32: the columns a combination counts for,
    −1 = none. levels (U,T+1) float32: ascending, then +inf. low, scale (U,), table (U,cells) uint16: see `core.stats.cells`.
    Bin 0 (no level below) is left to the caller, who knows the number of pixels of each column. peaks (N,U): each map's largest value.
    """
    n, height, width = acts.shape[0], y0.size, x0.size
    bins, top_cell = levels.shape[1], np.float32(table.shape[1] - 1)
    found = np.empty(columns.shape[0] * bins, np.int32)
    wide, high = np.empty((acts.shape[2], width), np.float32), np.empty(acts.shape[2], np.float32)
    ready = np.empty(acts.shape[2], np.bool_)
    v, signed = np.empty(width, np.float32), np.empty(width, np.int32)
    cell = signed.view(np.uint32)  # an unsigned index needs no check for a negative one
    for u in range(first, last):
        found[:] = 0
        level, look = levels[u], table[u]
        for i in range(n):
            source = acts[i, u]
            peaks[i, u] = _bounds(source, high, ready)
            for y in range(height):
                if max(high[y0[y]], high[y1[y]]) <= level[0]:
                    continue
                _down(_across(source, y0[y], x0, x1, wx0, wx1, wide, ready),
                      _across(source, y1[y], x0, x1, wx0, wx1, wide, ready), wy0[y], wy1[y], v)
                code = codes[i, y]
                _cells(v, low[u], scale[u], top_cell, signed)
                for x in range(width):
                    b = look[cell[x]]
                    if b & UNSURE:
                        b &= ~UNSURE
                        while v[x] > level[b]:
                            b += np.uint16(1)
                    found[code[x] + b] += 1
        for m in range(columns.shape[0]):
            for k in range(columns.shape[1]):
                c = columns[m, k]
                if c >= 0:
                    for b in range(1, bins):
                        total[u, c, b] += found[m * bins + b]


@jit
def _select(values, keep):  # type: ignore[no-untyped-def]
    """Moves the `keep` largest values to the front, the smallest of them last (Hoare's FIND)."""
    first, last, want = 0, values.size - 1, keep - 1
    while first < last:
        pivot = values[(first + last) // 2]
        i, j = first, last
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if want <= j:
            last = j
        elif want >= i:
            first = i
        else:
            break


@jit
def push(acts, y0, y1, wy0, wy1, x0, x1, wx0, wx1, first, last, keep, buffer, fill, bound):  # type: ignore[no-untyped-def]
    """Keeps each unit's `keep` largest upsampled values: buffer (U,capacity) float32, fill (U,) used, bound (U,) what counts.
    Passes over pixels as `count_one` does."""
    n, same = acts.shape[0], acts.shape[2] == y0.size and acts.shape[3] == x0.size
    high, ready = np.empty(acts.shape[2], np.float32), np.empty(acts.shape[2], np.bool_)
    rows, across, v = _runs(y0, y1), _runs(x0, x1), np.empty(x0.size, np.float32)
    for u in range(first, last):
        store, used, limit = buffer[u], fill[u], bound[u]
        for i in range(n):
            source = acts[i, u]
            _bounds(source, high, ready)
            for r in range(rows.size - 1):
                top, bottom = y0[rows[r]], y1[rows[r]]
                if max(high[top], high[bottom]) <= limit:
                    continue
                a, b = source[top], source[bottom]
                if same:
                    used, limit = _push(a, 0, a.size, keep, store, used, limit)
                    continue
                for c in range(across.size - 1):
                    left, right = x0[across[c]], x1[across[c]]
                    if limit >= 0 and max(max(a[left], a[right]), max(b[left], b[right])) * MARGIN <= limit:
                        continue
                    for y in range(rows[r], rows[r + 1]):
                        _blend(a[left], a[right], b[left], b[right], wx0, wx1, wy0[y], wy1[y], across[c], across[c + 1], v)
                        used, limit = _push(v, across[c], across[c + 1], keep, store, used, limit)
        fill[u], bound[u] = used, limit


@jit
def _push(values, first, last, keep, store, used, limit):  # type: ignore[no-untyped-def]
    """Adds the values above `limit` to a unit's store, which is cut to the `keep` largest when full -> (used, limit)."""
    for x in range(first, last):
        if values[x] > limit:
            store[used] = values[x]
            used += 1
            if used == store.size:
                _select(store, keep)  # numpy's partition takes ten seconds to compile
                used, limit = keep, store[keep - 1]
    return used, limit


@jit
def sample(acts, pixels, y0, y1, wy0, wy1, x0, x1, wx0, wx1, first, last, out):  # type: ignore[no-untyped-def]
    """out (U,N·m) float32: upsampled values at the grid pixels (N,m), numbered row by row, of each map."""
    n, m, width = pixels.shape[0], pixels.shape[1], x0.size
    for u in range(first, last):
        for i in range(n):
            source = acts[i, u]
            for j in range(m):
                y, x = pixels[i, j] // width, pixels[i, j] % width
                a = source[y0[y], x0[x]] * wx0[x] + source[y0[y], x1[x]] * wx1[x]
                b = source[y1[y], x0[x]] * wx0[x] + source[y1[y], x1[x]] * wx1[x]
                out[u, i * m + j] = a * wy0[y] + b * wy1[y]


@jit
def histogram(acts, low, scale, first, last, total):  # type: ignore[no-untyped-def]
    """Adds raw map values to total (U,B) int64: B equal bins from `low`, `scale` bins a unit of value; the end bins are open."""
    n, size = acts.shape[0], acts.shape[2] * acts.shape[3]
    zero, top = np.float32(0), np.float32(total.shape[1] - 1)
    for u in range(first, last):
        for i in range(n):
            values = acts[i, u].reshape(size)
            for j in range(size):
                total[u, np.int32(min(max((values[j] - low[u]) * scale[u], zero), top))] += 1
