"""How the bundled models are made: `python -m core.training scenes | segmenter | gan | export | report`.

Everything that takes long resumes: pools of painted scenes, checkpoints and logs live in `~/.cache/gan-dissection/training`
(or `--home`), outside the checkout. Only `export` writes into `core/zoo/bundled`.
"""
