"""The one place for value ranges, 8-bit pictures, PNG, resizing and mask checks.

Inside core a picture is float -1..1, (N,3,H,W); at the rim it is uint8 RGB, (H,W,3). A mask is bool (H,W), True = act here.
Nothing else multiplies by 127.5.
"""
from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

GREY_LEVELS = 127.5  # 8-bit grey levels to one unit of the float range -1..1
MAX_PIXELS = 25_000_000
MAX_BYTES = 8 * 2**20


def to_u8(images: Tensor) -> np.ndarray:
    """(N,3,H,W) float, nominally -1..1 -> (N,H,W,3) uint8: clip((x+1)/2*255), truncated as both reference codes do."""
    import torch

    x = images.detach().to("cpu", torch.float32).add(1).mul(GREY_LEVELS).clamp(0, 255)
    return x.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def from_u8(images: np.ndarray) -> Tensor:
    """(H,W,3) or (N,H,W,3) uint8 -> (N,3,H,W) float32 in -1..1."""
    import torch

    batch = images[None] if images.ndim == 3 else images
    if batch.ndim != 4 or batch.shape[-1] != 3 or batch.dtype != np.uint8:
        raise BadInput(f"expected uint8 RGB (H,W,3) or (N,H,W,3), got {images.dtype} {images.shape}")
    return scaled(torch.from_numpy(np.require(batch, requirements=("C", "W"))).permute(0, 3, 1, 2))


def scaled(values: Tensor) -> Tensor:
    """uint8 values on any device -> float32 in -1..1."""
    return values.float().div(GREY_LEVELS).sub(1)


def encode(image: np.ndarray, fmt: str = "PNG", *, quality: int = 90) -> bytes:
    """(H,W,3), (H,W,4) or (H,W) uint8 -> bytes of a PNG, JPEG or WEBP."""
    buffer = io.BytesIO()
    options = {"quality": quality} if fmt in ("JPEG", "WEBP") else {}
    Image.fromarray(image).save(buffer, fmt, **options)
    return buffer.getvalue()


def decode(data: bytes, *, max_side: int | None = None, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Untrusted picture bytes (PNG, JPEG, WEBP) -> uint8 RGB (H,W,3).

    Checks the sizes before decoding, turns the picture as its EXIF says, puts transparency on white, brings 16-bit and
    grey to RGB, shrinks to `max_side` pixels where given. Raises BadInput on everything that is not such a picture.
    """
    if len(data) > max_bytes:
        raise BadInput(f"the file has {len(data) / 2**20:.1f} MB; at most {max_bytes / 2**20:.0f} MB can be used")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as im:
                if im.width * im.height > max_pixels:
                    raise BadInput(f"the picture has {im.width} × {im.height} pixels; "
                                   f"at most {max_pixels / 1e6:.0f} million can be used")
                if max_side:
                    im.draft("RGB", (max_side, max_side))
                im.load()
                turned = ImageOps.exif_transpose(im)
                picture = _to_rgb(turned)
    except BadInput:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadInput("this is not a PNG, JPEG or WEBP picture that can be opened") from error
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        raise BadInput(f"the picture is damaged: {str(error)[:120]}") from error
    if max_side and max(picture.size) > max_side:
        picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return np.asarray(picture).copy()


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, np.float64)
        scale = 255 / 65535 if values.max(initial=0) > 255 else 1.0
        return Image.fromarray((values * scale).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")


def resize(image: np.ndarray, size: tuple[int, int], *, nearest: bool = False) -> np.ndarray:
    """(H,W[,C]) uint8 -> (h,w[,C]) uint8; `size` is (h, w). Lanczos, or nearest for labels and crisp enlargements."""
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), how)).copy()


def check_rgb(image: np.ndarray) -> np.ndarray:
    """Returns the picture as contiguous uint8 RGB (H,W,3), or raises BadInput naming what came."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        came = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise BadInput(f"expected a uint8 RGB picture (H,W,3), got {came}")
    return np.ascontiguousarray(image)


def check_mask(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Returns the mask as contiguous bool of `shape` (H,W), or raises BadInput naming what came."""
    if not isinstance(mask, np.ndarray) or mask.shape != tuple(shape):
        came = str(mask.shape) if isinstance(mask, np.ndarray) else type(mask).__name__
        raise BadInput(f"the mask must have the picture's size {tuple(shape)}, got {came}")
    if mask.dtype != np.bool_:
        raise BadInput(f"the mask must be bool (True = act here), got {mask.dtype}")
    return np.ascontiguousarray(mask)


def mask_from_png(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Untrusted PNG bytes -> bool (H,W): white (>= 128) = True, resized to `shape` by nearest neighbour."""
    grey = decode(data).mean(axis=2)
    if grey.shape != tuple(shape):
        grey = resize(grey.astype(np.uint8), shape, nearest=True)
    return cast(np.ndarray, grey >= 128)


def mask_to_png(mask: np.ndarray) -> bytes:
    """bool (H,W) -> PNG bytes, white = True."""
    return encode(mask.astype(np.uint8) * 255)
