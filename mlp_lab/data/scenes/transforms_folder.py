"""Folders of posed images in the format of NeRF's synthetic scenes: transforms_<split>.json."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mlp_lab.data.scenes.camera import Camera
from mlp_lab.data.scenes.posed_images import PosedImages
from mlp_lab.errors import UserError
from mlp_lab.images.image_decoding import decode_channels, open_image

#: Part of the files' names by split.
_NAMES = {"train": "train", "validation": "val", "test": "test"}
_ROTATION_TOLERANCE = 1e-3  # of the products of its rows


class TransformsFolder:
    """Images with their cameras, as Mildenhall et al. 2020 published theirs.

    ``transforms_train.json``, ``transforms_val.json`` and ``transforms_test.json`` have the
    horizontal angle of view, ``camera_angle_x``, in radians, and ``frames``: each has the path of
    an image, ``file_path``, without the suffix ``.png``, and ``transform_matrix``, which is
    ``Camera.pose``.

    Args:
        folder: path of the folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._digest = hashlib.sha256()
        self._first: tuple[Path, tuple[int, int]] | None = None  # first image that was read

    @property
    def digest(self) -> str:
        """A digest of the files that have been read."""
        return self._digest.hexdigest()

    def posed_images(self, split: str, count: int, size: int) -> PosedImages:
        """Return evenly spaced images of a split. Transparent pixels become white.

        Args:
            split: name of the split.
            count: number of images; fewer if there are fewer.
            size: width in pixels to which the images are reduced; they keep their proportions.

        Raises:
            UserError: a file is missing or cannot be read, the images have different sizes or are
                smaller than ``size``, or a matrix is not a rotation and a translation.
        """
        path = self._folder / f"transforms_{_NAMES[split]}.json"
        content = self._read(path)
        frames = content.get("frames")
        if not isinstance(frames, list) or not frames:
            raise UserError(f"{path}: frames: must be a list of at least one image and its pose")
        angle = content.get("camera_angle_x")
        if not (isinstance(angle, int | float) and 0 < angle < math.pi):
            raise UserError(f"{path}: camera_angle_x={angle}: must be a number between 0 and pi")
        chosen = sorted({number * len(frames) // count for number in range(count)})
        cameras = [Camera(_pose(path, number, frames[number]), angle) for number in chosen]
        files = [self._image_file(path, number, frames[number]) for number in chosen]
        return PosedImages(self._images(files, size), cameras)

    def _read(self, path: Path) -> dict[str, Any]:
        if not path.is_file():
            raise UserError(
                f"data.path={self._folder}: has no {path.name}; must be a mesh, or a folder with"
                " transforms_train.json, transforms_val.json, transforms_test.json and images"
            )
        raw = path.read_bytes()
        self._digest.update(raw)
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: not a JSON file: {error}") from error
        if not isinstance(content, dict):
            raise UserError(f"{path}: must be a JSON object with camera_angle_x and frames")
        return content

    def _image_file(self, path: Path, number: int, frame: Any) -> Path:
        """Return the image of a frame. Raises UserError if there is none."""
        name = frame.get("file_path")
        if not isinstance(name, str):
            raise UserError(f"{path}: frames[{number}]: has no file_path")
        file = self._folder / name
        file = file if file.suffix else file.with_name(f"{file.name}.png")
        if not file.is_file():
            raise UserError(f"{path}: frames[{number}]: {file}: no such image")
        return file

    def _images(self, files: list[Path], size: int) -> np.ndarray:
        """Read images of one size, which is that of all splits, ``[images, height, width, 3]``."""
        images: list[np.ndarray] = []
        for file in files:
            self._digest.update(file.read_bytes())
            with open_image(file) as image:
                self._first = self._first or (file, image.size)
                first, shape = self._first
                if image.size != shape:
                    raise UserError(
                        f"{file}: {image.width} x {image.height} pixels, but {first} has"
                        f" {shape[0]} x {shape[1]}; all images must have one size"
                    )
                if size > image.width:
                    raise UserError(
                        f"data.size={size}: must be at most {image.width}, the width of {file}"
                    )
                channels = decode_channels(image, grey=False)
            height = max(1, round(shape[1] * size / shape[0]))
            reduced = [_reduced(channel, size, height) for channel in channels]
            images.append(np.stack(reduced * (3 // len(reduced)), 2))
        return np.stack(images)


def _pose(path: Path, number: int, frame: Any) -> torch.Tensor:
    """Return the pose of a frame. Raises UserError if it has no rotation and translation."""
    matrix = frame.get("transform_matrix") if isinstance(frame, dict) else None
    try:
        pose = torch.tensor(matrix, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        pose = torch.empty(0)
    if pose.shape != (4, 4):
        raise UserError(f"{path}: frames[{number}]: transform_matrix: must be 4 x 4 numbers")
    if not bool(pose.isfinite().all()):
        raise UserError(f"{path}: frames[{number}]: transform_matrix: a number is not finite")
    rotation = pose[:3, :3]
    orthogonal = torch.allclose(rotation @ rotation.T, torch.eye(3), atol=_ROTATION_TOLERANCE)
    if not orthogonal or torch.linalg.det(rotation) < 0:
        raise UserError(
            f"{path}: frames[{number}]: transform_matrix: its first three rows and columns must be"
            " a rotation"
        )
    return pose


def _reduced(channel: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return a channel with fewer pixels, each the mean of those that it replaces."""
    image = Image.fromarray(channel)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))
