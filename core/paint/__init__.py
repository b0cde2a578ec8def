"""Painting with units: strokes are the document, the picture follows from them.

    from core.paint import Painting, Stroke, paint
    p = Painting("scenes", "layer4", 7, (Stroke("tree", "draw", points=((20, 40), (36, 44)), size=12),))
    result = paint(generator, p, dissection)          # result.image, result.before: uint8 RGB
    p.to_json(); to_link(p)                           # and back: Painting.from_json, from_link

document (Stroke, Painting) · history (undo, redo) · raster (mask_of) · brushes (units and values of a stroke) · render (paint) ·
effect (measure: what a stroke changed) · link (a painting in an address) · sheet (pictures to take away) · starts (good
pictures to begin with). Importing this loads no torch.
"""
from core.paint.brushes import AMOUNTS, CLASSES, LETTERS, USUAL, Chosen, choose, dissection_for, stored_rankings
from core.paint.document import Mode, Painting, Shape, Stroke
from core.paint.effect import Effect, measure
from core.paint.history import Timeline
from core.paint.link import from_link, link_for, to_link
from core.paint.raster import mask_of, union
from core.paint.render import PaintResult, paint, paint_seeds, plain
from core.paint.sheet import Trial, all_brushes, pair, trials_sheet
from core.paint.starts import good_starts

__all__ = ["AMOUNTS", "CLASSES", "LETTERS", "USUAL", "Chosen", "Effect", "Mode", "PaintResult", "Painting", "Shape", "Stroke",
           "Timeline", "Trial", "all_brushes", "choose", "dissection_for", "from_link", "good_starts", "link_for", "mask_of",
           "measure", "paint", "paint_seeds", "pair", "plain", "stored_rankings", "to_link", "trials_sheet", "union"]
