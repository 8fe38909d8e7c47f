"""From encoded images to a graph's input tensor, with Pillow."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np

from pumice.domain.errors import BadSetting, MalformedInput, MissingDependency, TooLarge
from pumice.domain.model import ImageInput

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 50_000_000
"""Largest image that is decoded (pixels): a few kilobytes can unpack to gigabytes."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
"""Encodings that are read; Pillow's rarer decoders are left to attackers of others."""

# what Pillow's decoders raise on broken files
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


class ImageDecoder:
    """Decodes, fits and scales images as a manifest says.

    Args:
        how: The manifest's ``image``.
        dtype: Type of the graph's input.

    Raises:
        BadSetting: ``mean`` or ``std`` has neither one value nor one a channel, ``std`` is 0, or pixels are scaled for
            a graph that takes whole numbers.
        MissingDependency: Pillow is not installed.
    """

    def __init__(self, how: ImageInput, dtype: np.dtype[np.generic]) -> None:
        for key, values in (("mean", how.mean), ("std", how.std)):
            if len(values) not in (1, how.channels) or (key == "std" and 0 in values):
                raise BadSetting(f"manifest 'image.{key}'", str(values), f"1 or {how.channels} numbers, no std of 0")
        if dtype == np.uint8 and (how.scale != 1 or any(how.mean) or set(how.std) != {1}):
            given = f"scale {how.scale:g}, mean {how.mean}, std {how.std}"
            raise BadSetting("manifest 'image'", given, "scale 1, mean [0], std [1]: the graph takes UINT8")
        try:
            from PIL import Image, ImageFile
        except ImportError as error:
            raise MissingDependency(
                "task 'image-classification'", "the library 'pillow'", "pip install 'pumice[image]'"
            ) from error
        # the pixel limit here is ours, and is an error rather than a warning; a broken image is refused, not filled up
        Image.MAX_IMAGE_PIXELS = None
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        # damaged EXIF data is no reason to refuse a picture, nor to write a line for each into the log
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        self._how = how
        self._dtype = dtype
        # (x * scale - mean) / std in one multiplication and one addition
        std = np.array(how.std, dtype=np.float32)
        self._factor = np.float32(how.scale) / std
        self._shift = -np.array(how.mean, dtype=np.float32) / std

    def decode(self, images: np.ndarray) -> np.ndarray:
        """Decode a batch.

        Args:
            images: BYTES [rows], each a whole file in one of `FORMATS`.

        Returns:
            [rows, channels, height, width] or [rows, height, width, channels].

        Raises:
            MalformedInput: One is no such image, or is broken; the message names the row.
            TooLarge: One has more than `MAX_PIXELS`.
        """
        batch = np.empty((len(images), *tensor_shape(self._how)), dtype=self._dtype)
        for row, data in enumerate(images.tolist()):
            batch[row] = self._tensor(data, f"input 'image'[{row}]")
        return batch

    def _tensor(self, data: bytes, what: str) -> np.ndarray:
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise TooLarge(what, image.width * image.height, MAX_PIXELS, "pixels")
                pixels = np.asarray(self._fit(image), dtype=np.float32)
        except UnidentifiedImageError:
            raise MalformedInput(what, f"it is no image of a known kind; send {', '.join(FORMATS)}") from None
        except _BROKEN as error:
            raise MalformedInput(what, f"it is broken ({error}); send {', '.join(FORMATS)}") from None
        how = self._how
        scaled: np.ndarray = pixels.reshape(how.height, how.width, how.channels) * self._factor + self._shift
        return scaled.transpose(2, 0, 1) if how.layout == "CHW" else scaled

    def _fit(self, image: Image) -> Image:
        """Turn the image upright, into the model's colours and size."""
        from PIL import Image as Images
        from PIL import ImageOps

        how = self._how
        upright = ImageOps.exif_transpose(image).convert("RGB" if how.channels == 3 else "L")
        size = (how.width, how.height)
        if how.crop:
            return ImageOps.fit(upright, size, Images.Resampling.BILINEAR)
        return upright.resize(size, Images.Resampling.BILINEAR)


def tensor_shape(how: ImageInput) -> list[int]:
    """Shape of one image's tensor."""
    return [how.channels, how.height, how.width] if how.layout == "CHW" else [how.height, how.width, how.channels]


def example(how: ImageInput) -> bytes:
    """Encode a grey image of the model's size, for warming up."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (how.width, how.height), (128, 128, 128)).save(file, "PNG")
    return file.getvalue()
