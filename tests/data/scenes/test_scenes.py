"""Cameras, scenes of formulas, and folders of posed images."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from mlp_lab.data.scenes import scene
from mlp_lab.data.scenes.analytic_scene import SCENES, AnalyticScene
from mlp_lab.data.scenes.camera import ANGLE, Camera, camera_on_sphere
from mlp_lab.data.scenes.mesh_scene import MeshScene
from mlp_lab.data.scenes.scene import RADIUS
from mlp_lab.data.scenes.transforms_folder import TransformsFolder
from mlp_lab.errors import UserError


class Ball(AnalyticScene):
    """A red ball of radius 1 around the origin."""

    def distances(self, points: torch.Tensor) -> torch.Tensor:
        return points.norm(dim=1) - 1

    def colours(self, points: torch.Tensor) -> torch.Tensor:
        return torch.tensor([1.0, 0.0, 0.0]).expand(len(points), 3)


def test_rays_are_those_of_the_published_code_at_the_middles_of_pixels() -> None:
    # Mildenhall et al.: dirs = [(i - W/2) / focal, -(j - H/2) / focal, -1], rays_d = dirs @ R.T.
    pose = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 4))).float()
    pose[:3, :3] = torch.linalg.qr(pose[:3, :3])[0]
    width, height = 6, 4
    focal = width / 2 / math.tan(ANGLE / 2)
    rays = Camera(pose, ANGLE).rays(width, height).view(height, width, 6)
    for j in range(height):
        for i in range(width):
            local = [(i + 0.5 - width / 2) / focal, -(j + 0.5 - height / 2) / focal, -1.0]
            direction = pose[:3, :3] @ torch.tensor(local)
            expected = torch.cat([pose[:3, 3], direction / direction.norm()])
            torch.testing.assert_close(rays[j, i], expected)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "place"),
    [(0, 0, (4, 0, 0)), (90, 0, (0, 4, 0)), (0, 30, (4 * 0.75**0.5, 0, 2)), (0, 90, (0, 0, 4))],
)
def test_cameras_on_the_sphere_look_at_the_origin(
    azimuth: float, elevation: float, place: tuple[float, ...]
) -> None:
    camera = camera_on_sphere(azimuth, elevation, 4.0)
    origin, direction = camera.rays(1, 1)[0].split(3)
    torch.testing.assert_close(origin, torch.tensor(place, dtype=torch.float32), atol=1e-5, rtol=0)
    torch.testing.assert_close(direction, -origin / 4, atol=1e-5, rtol=0)
    rotation = camera.pose[:3, :3]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-6, rtol=0)
    assert float(torch.linalg.det(rotation)) == pytest.approx(1)
    assert float(camera.pose[2, 1]) == pytest.approx(math.cos(math.radians(elevation)), abs=1e-6)


def test_a_ball_has_its_outline_and_its_shading() -> None:
    image = Ball().render(camera_on_sphere(0, 0, 4.0), 64)
    # The outline is a circle, seen at the angle asin(1/4).
    radius = math.tan(math.asin(0.25)) / math.tan(ANGLE / 2) * 32
    covered = (image[:, :, 1] < 0.5).sum()
    assert covered == pytest.approx(math.pi * radius**2, rel=0.02)
    assert np.array_equal(image[0, 0], [1, 1, 1])
    # The middle is at (1, 0, 0), where the normal is the x axis.
    light = 0.35 + 0.65 * float(scene._LIGHT[0])
    np.testing.assert_allclose(image[32, 32], [light, 0, 0], atol=0.02)
    assert image[20, 32, 0] > image[44, 32, 0]  # lit from above


@pytest.mark.parametrize("name", SCENES)
def test_scenes_are_inside_their_ball_and_distances_are_lower_bounds(name: str) -> None:
    made = SCENES[name]
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(2_000, 3, generator=generator))
    assert bool((made.distances(RADIUS * directions) > 0).all())
    # The bound is one along each ray: no surface is closer than the distance.
    points = 2.4 * torch.rand(2_000, 3, generator=generator) - 1.2
    free = made.distances(points).clamp_min(0)
    for part in (0.3, 0.6, 0.99):
        moved = points + (part * free).unsqueeze(1) * directions
        assert bool((made.distances(moved)[free > 1e-3] > 0).all())
    colours = made.colours(points)
    assert bool(((colours >= 0) & (colours <= 1)).all())


def saved_box(folder: Path, **visual: np.ndarray) -> str:
    """Write a box of 2 x 1 x 0.5 in the middle of (1, 2, 3), with colours."""
    box = trimesh.creation.box((2.0, 1.0, 0.5))
    box.apply_translation((1, 2, 3))
    for name, colours in visual.items():
        setattr(box.visual, name, colours)
    box.export(folder / "box.ply")
    return str(folder / "box.ply")


def test_a_mesh_has_the_places_colours_and_shading_of_its_triangles(tmp_path: Path) -> None:
    colours = np.tile(np.array([200, 100, 50, 255], np.uint8), (12, 1))
    box = MeshScene(saved_box(tmp_path, face_colors=colours))
    low, high = box._mesh.bounds
    scale = 2 * RADIUS / float((high - low).norm())
    half = scale * 0.9 / 2  # of the longest side, along x, whose length in the unit cube is 0.9
    # Rays from above and from the right meet the middles of the top and of a side; one misses.
    down, left = torch.tensor([0.0, 0.0, -1.0]), torch.tensor([-1.0, 0.0, 0.0])
    origins = torch.tensor([[0.1 * half, 0.1 * half, 4.0], [4.0, 0.05, 0.02], [4.0, 4.0, 4.0]])
    seen = box.ray_colours(torch.cat([origins, torch.stack([down, left, left])], 1))
    own = torch.tensor([200, 100, 50]) / 255
    top, side = (0.35 + 0.65 * scene._LIGHT[axis] for axis in (2, 0))
    torch.testing.assert_close(seen, torch.stack([own * top, own * side, torch.ones(3)]))
    inside = torch.tensor([[0.9 * half, 0, 0], [0, 0.4 * half, 0], [0, 0, 0.2 * half]])
    assert bool(box.contains(inside).all())
    assert not bool(box.contains(1.3 * inside).any())


def test_a_mesh_has_the_colours_of_its_texture(tmp_path: Path) -> None:
    box = trimesh.creation.box()
    texture = Image.new("RGB", (4, 4), (10, 200, 30))
    coordinates = np.random.default_rng(0).random((8, 2))
    box.visual = trimesh.visual.TextureVisuals(uv=coordinates, image=texture)
    box.export(tmp_path / "box.glb")
    colours = MeshScene(str(tmp_path / "box.glb"))._mesh.colours
    assert colours is not None
    torch.testing.assert_close(colours, (torch.tensor([10, 200, 30]) / 255).expand(12, 3))


def test_a_mesh_without_colours_has_those_of_its_places(tmp_path: Path) -> None:
    box = MeshScene(saved_box(tmp_path))
    height = float(box._scale * 0.9 / 2) / 4
    places = torch.tensor([[0.2, 0.1, height], [-0.3, 0.2, height]])
    rays = torch.cat([places + torch.tensor([0, 0, 1.0]), torch.tensor([[0, 0, -1.0]] * 2)], 1)
    expected = scene.varied_colours(places) * (0.35 + 0.65 * scene._LIGHT[2])
    torch.testing.assert_close(box.ray_colours(rays), expected, atol=1e-5, rtol=1e-5)


def test_cameras_inside_a_mesh_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.distance=0\.1: a camera is inside an object"):
        MeshScene(saved_box(tmp_path)).posed_images("train", 3, 4, 0.1)


def test_views_of_splits_differ_and_are_repeated() -> None:
    made = {split: Ball().posed_images(split, 3, 4, 4.0) for split in ("train", "test")}
    again = Ball().posed_images("train", 3, 4, 4.0)
    assert np.array_equal(made["train"].images, again.images)
    places = [camera.pose[:3, 3] for posed in made.values() for camera in posed.cameras]
    assert float(torch.pdist(torch.stack(places)).min()) > 0.5
    assert all(float(place[2]) > 0 for place in places)
    rays, colours = again.rays_and_colours()
    assert (rays.shape, colours.shape) == ((3 * 16, 6), (3 * 16, 3))
    torch.testing.assert_close(rays[16:32], again.cameras[1].rays(4, 4))
    assert torch.equal(colours[16:32].view(4, 4, 3), torch.from_numpy(again.images[1]))


def test_cameras_inside_an_object_are_one_clear_line() -> None:
    message = r"data\.distance=0\.5: a camera is inside an object .* more than 1\.3 is outside"
    with pytest.raises(UserError, match=message):
        Ball().posed_images("train", 3, 4, 0.5)


def written_folder(folder: Path, count: int = 3, side: int = 8) -> Path:
    """Write a folder of images whose red is 50, 100, ... and whose left half is transparent."""
    frames = []
    for number in range(count):
        pixels = np.zeros((side, side, 4), np.uint8)
        pixels[:, side // 2 :] = [50 * (number + 1), 0, 0, 255]
        Image.fromarray(pixels).save(folder / f"r_{number}.png")
        pose = camera_on_sphere(90 * number, 30, 4.0).pose.tolist()
        frames.append({"file_path": f"./r_{number}", "transform_matrix": pose})
    content = {"camera_angle_x": 0.7, "frames": frames}
    for name in ("train", "val", "test"):
        (folder / f"transforms_{name}.json").write_text(json.dumps(content))
    return folder


def test_a_folder_has_images_on_white_and_their_cameras(tmp_path: Path) -> None:
    folder = TransformsFolder(str(written_folder(tmp_path)))
    posed = folder.posed_images("train", 3, 8)
    assert posed.images.shape == (3, 8, 8, 3)
    assert (posed.images[:, :, :4] == 1).all()
    expected = np.array([50, 100, 150]) / 255
    np.testing.assert_allclose(posed.images[:, 0, 7, 0], expected, rtol=1e-6)
    for number, camera in enumerate(posed.cameras):
        torch.testing.assert_close(camera.pose, camera_on_sphere(90 * number, 30, 4.0).pose)
        assert camera.angle == 0.7
    # Two of three images, the first and the second; each reduced pixel is a mean.
    reduced = folder.posed_images("test", 2, 1)
    assert reduced.images.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(reduced.images[1, 0, 0], [(1 + 100 / 255) / 2, 0.5, 0.5], rtol=1e-5)
    assert len(folder.posed_images("validation", 9, 8).images) == 3


def _edited(edit: Callable[[dict], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "transforms_val.json"
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))

    return apply


def _with_pose(pose: object) -> Callable[[Path], object]:
    return _edited(lambda content: content["frames"][1].update(transform_matrix=pose))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "transforms_val.json").unlink(), "has no transforms_val.json"),
        (lambda folder: (folder / "transforms_val.json").write_text("{"), "not a JSON file"),
        (lambda folder: (folder / "transforms_val.json").write_text("[]"), "must be a JSON object"),
        (_edited(lambda content: content.update(frames=[])), "at least one image and its pose"),
        (_edited(lambda content: content.pop("camera_angle_x")), "camera_angle_x=None: must be"),
        (_edited(lambda content: content["frames"][1].pop("file_path")), "has no file_path"),
        (lambda folder: (folder / "r_1.png").unlink(), r"frames\[1\]: .*r_1\.png: no such image"),
        (lambda folder: (folder / "r_1.png").write_bytes(b"x"), "cannot be read as an image"),
        (lambda folder: Image.new("RGB", (8, 9)).save(folder / "r_1.png"),
         r"8 x 9 pixels, but .*r_0\.png has 8 x 8; all images must have one size"),
        (_with_pose([[1, 0], [0, 1]]), r"frames\[1\]: transform_matrix: must be 4 x 4 numbers"),
        (_with_pose([[1, 2, 3]] * 3 + [[1]]), "must be 4 x 4 numbers"),
        (_with_pose(None), "must be 4 x 4 numbers"),
        (_with_pose([["a"] * 4] * 4), "must be 4 x 4 numbers"),
        (_with_pose([[math.nan] * 4] * 4), "a number is not finite"),
        (_with_pose([[0.0] * 4] * 4), "its first three rows and columns must be a rotation"),
        (_with_pose((2 * torch.eye(4)).tolist()), "must be a rotation"),
        (_with_pose(torch.diag(torch.tensor([1.0, 1, -1, 1])).tolist()), "must be a rotation"),
        (_with_pose([[10**400] * 4] * 4), "must be 4 x 4 numbers"),
        (lambda folder: (folder / "transforms_val.json").write_text("[" * 100_000),
         "not a JSON file"),
    ],
)  # fmt: skip
def test_damaged_folders_are_one_clear_line(
    damage: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    damage(written_folder(tmp_path))
    with pytest.raises(UserError, match=message) as caught:
        TransformsFolder(str(tmp_path)).posed_images("validation", 3, 8)
    assert "\n" not in str(caught.value)


def test_angles_may_be_whole_numbers_and_all_splits_have_one_size(tmp_path: Path) -> None:
    _edited(lambda content: content.update(camera_angle_x=1))(written_folder(tmp_path))
    folder = TransformsFolder(str(tmp_path))
    assert folder.posed_images("validation", 1, 8).cameras[0].angle == 1
    (tmp_path / "larger").mkdir()
    written_folder(tmp_path / "larger", side=16)
    path = tmp_path / "transforms_test.json"
    path.write_text(path.read_text().replace("./r_", "./larger/r_"))
    with pytest.raises(UserError, match=r"larger/r_0\.png: 16 x 16 pixels, but .*r_0\.png has 8 x"):
        folder.posed_images("test", 3, 8)


def test_larger_images_than_those_of_a_folder_are_refused(tmp_path: Path) -> None:
    folder = TransformsFolder(str(written_folder(tmp_path)))
    with pytest.raises(UserError, match=r"data\.size=9: must be at most 8, the width of"):
        folder.posed_images("train", 3, 9)
