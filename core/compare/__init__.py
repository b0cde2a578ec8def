"""One picture, one mask, every method: results and scores, one after the other as they finish.

    question = Question(before, mask, label="tree")
    gan = GanEdit("scenes", "layer4", seed=7, units=(3, 17))
    for answer in compare(question, methods(), gan=gan, generator=g, judge=segment.load("scenes-judge")):
        answer.title, answer.image, answer.seconds, answer.scores["removal"]

Methods are the inpainters by name, and four more that need a generator: "gan" (units switched off inside the hole, the whole
picture as the generator then draws it), "gan-composite" (the same, everything outside the hole put back), and two controls,
"gan-random" (as many other units) and "before" (nothing done). A photo has one instead: "gan-photo", the photo as the generator
redraws it, which says whether it is in the generator's domain. The judge that scores is never the network that chose the units.

question (what is asked and answered) · methods (running them, scoring them) · kept (in the background, in the store) ·
vote (blind votes between two results).
"""
from core.compare.kept import best_units, bundle, cancel, find, forget, job, keep, load, run_of, submit, usual_seed
from core.compare.methods import Redrawer, compare, gan_edit, label_id, label_maps, mask_of, own_answer, plain, random_units
from core.compare.question import (
    ABOUT,
    BEFORE,
    GAN,
    GAN_COMPOSITE,
    GAN_PHOTO,
    GAN_RANDOM,
    GANS,
    ORDER,
    OWN,
    TITLES,
    Answer,
    Board,
    GanEdit,
    Question,
    about,
    mark,
    methods,
    title,
)

__all__ = ["ABOUT", "BEFORE", "GAN", "GANS", "GAN_COMPOSITE", "GAN_PHOTO", "GAN_RANDOM", "ORDER", "OWN", "TITLES", "Answer", "Board",
           "GanEdit", "Question", "Redrawer", "about", "best_units", "bundle", "cancel", "compare", "find", "forget", "gan_edit",
           "job", "keep", "label_id", "label_maps", "load", "mark", "mask_of", "methods", "own_answer", "plain", "random_units",
           "run_of", "submit", "title", "usual_seed"]
