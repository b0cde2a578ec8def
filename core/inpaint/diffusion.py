"""Fills that let colour flow in from the edge of the hole, as OpenCV has them: instant, and blurred in large holes.

Telea, "An image inpainting technique based on the fast marching method" (2004); Bertalmio, Bertozzi and Sapiro,
"Navier-Stokes, fluid dynamics, and image and video inpainting" (2001). The radius hardly matters above 3 and costs its square.
"""
from __future__ import annotations

import cv2
import numpy as np

RADIUS = 5


def telea(image: np.ndarray, hole: np.ndarray, *, avoid: np.ndarray | None, seed: int) -> np.ndarray:
    """A weighted mean of the known pixels nearby, from the edge inwards. See core.inpaint.base.Fill."""
    return np.asarray(cv2.inpaint(image, hole.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA))


def navier_stokes(image: np.ndarray, hole: np.ndarray, *, avoid: np.ndarray | None, seed: int) -> np.ndarray:
    """Lines of equal brightness continued into the hole like the flow of a fluid. See core.inpaint.base.Fill."""
    return np.asarray(cv2.inpaint(image, hole.astype(np.uint8), RADIUS, cv2.INPAINT_NS))
