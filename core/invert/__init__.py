"""A photo into the generator: the latent and the activations of one layer whose picture comes closest to it, and edits there.

    target = prepare(photo, generator.image_size)
    found = invert(generator, target, layer=encoder.layer, encoder=encoder, steps=50)
    found.image                                        # the reconstruction
    made = edit(generator, found, painting, dissection)
    made.image                                         # the photo with the edit inside the strokes, untouched outside of them

samples (held-out scenes, unrelated pictures) · start (which encoder belongs to a model) · descent (invert) ·
domain (does a picture belong to the generator's world) · edit (strokes on a photo) · quality (what is lost, figures over held-out
scenes, what ships) · bring (the jobs of a page). Importing this loads no torch.
"""
from core.invert.bring import Brought, Live, adapting, at_once, begin, bringing, brought, soon, watched
from core.invert.descent import Inversion, Step, crop_box, invert, invert_all, prepare, psnr
from core.invert.domain import Domain, load_domain, reading
from core.invert.edit import Edited, composite, correct, edit, untouched
from core.invert.quality import Loss, Quality, keep_photo, kept_photo, load_quality, lost, photo_run, shares
from core.invert.samples import SCENES, sample_scene
from core.invert.start import EncoderCard, encoder_card, encoder_path, load_encoder

__all__ = ["SCENES", "Brought", "Domain", "Edited", "EncoderCard", "Inversion", "Live", "Loss", "Quality", "Step", "adapting",
           "at_once", "begin", "bringing", "brought", "composite", "correct", "crop_box", "edit", "encoder_card", "encoder_path",
           "invert", "invert_all", "keep_photo", "kept_photo", "load_domain", "load_encoder", "load_quality", "lost", "photo_run",
           "prepare", "psnr", "reading", "sample_scene", "shares", "soon", "untouched", "watched"]
