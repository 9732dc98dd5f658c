"""Solids: what they contain, points of their surfaces, and triangle meshes."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from helpers import seeded_generator
from torch import Tensor

from mlp_lab import errors
from mlp_lab.data.solids import triangles
from mlp_lab.data.solids.analytic import SOLIDS, AnalyticSolid, TorusKnot
from mlp_lab.data.solids.mesh_file import MeshFile
from mlp_lab.data.solids.solid import EXTENT
from mlp_lab.data.solids.triangles import encode_ply, isosurface
from mlp_lab.errors import UserError

TORUS, TUBE = 0.3, 0.1


class Torus(AnalyticSolid):
    bounds = torch.tensor([[0.1, 0.1, 0.4], [0.9, 0.9, 0.6]])

    def level(self, points: Tensor) -> Tensor:
        x, y, z = (points - 0.5).unbind(-1)
        # Not a distance: twice as steep at the surface.
        return (TUBE**2 - (torch.hypot(x, y) - TORUS) ** 2 - z**2) / TUBE


def saved(mesh: trimesh.Trimesh, folder: Path, name: str = "mesh.ply") -> str:
    mesh.export(folder / name)
    return str(folder / name)


def test_surface_points_are_uniform_on_a_torus() -> None:
    points = Torus().surface_points(100_000, seeded_generator()).double() - 0.5
    outwards, z = points[:, :2].norm(dim=1) - TORUS, points[:, 2]
    assert float((torch.hypot(outwards, z) - TUBE).abs().max()) < 1e-5
    # The area at the angle a of the tube is proportional to TORUS + TUBE cos a.
    assert float(outwards.mean()) / TUBE == pytest.approx(TUBE / (2 * TORUS), abs=0.01)
    around = torch.atan2(points[:, 1], points[:, 0])
    assert float(around.cos().mean()) == pytest.approx(0, abs=0.01)
    assert float(around.sin().mean()) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_inside_their_bounds(name: str) -> None:
    solid = SOLIDS[name]()
    low, high = solid.bounds
    assert float((high - low).max()) == pytest.approx(EXTENT)
    surface = solid.surface_points(20_000, seeded_generator())
    assert bool(((surface > low - 0.011) & (surface < high + 0.011)).all())
    assert float(solid.level(surface).abs().median()) < 1e-5
    torch.testing.assert_close(surface[:, 2].amax(), high[2], atol=0.01, rtol=0)
    outside = low + (high - low) * (3 * torch.rand(20_000, 3, generator=seeded_generator()) - 1)
    beyond = ((outside < low) | (outside > high)).any(1)
    assert not solid.contains(outside[beyond]).any()
    assert solid.contains(outside[~beyond]).any()


def test_the_knot_is_a_tube_around_its_curve() -> None:
    t = torch.linspace(0, 2 * math.pi, 5_000)[:-1]
    radius = 0.28 + 0.11 * (3 * t).cos()  # twice around the axis, three times around the tube
    curve = torch.stack([radius * (2 * t).cos(), radius * (2 * t).sin(), 0.11 * (3 * t).sin()], 1)
    knot = TorusKnot()
    torch.testing.assert_close(knot.level(curve + 0.5), torch.full_like(t, 0.06), atol=1e-5, rtol=0)
    # Measured across the axis, a place is not closer to the curve than in space.
    points = torch.rand(2_000, 3, generator=seeded_generator())
    distance = torch.cdist(points - 0.5, curve).amin(1)
    assert bool((distance[knot.contains(points)] < 0.06 + 1e-5).all())


def test_a_mesh_contains_the_points_that_its_formula_contains(tmp_path: Path) -> None:
    mesh = trimesh.creation.torus(TORUS, TUBE, major_sections=200, minor_sections=100)
    turned = mesh.copy()
    turned.apply_transform(
        trimesh.transformations.random_rotation_matrix(np.array([0.1, 0.5, 0.9]))
    )
    solid = MeshFile(saved(mesh, tmp_path))
    scale = EXTENT / (2 * (TORUS + TUBE))
    points = torch.rand(20_000, 3, generator=seeded_generator())
    x, y, z = ((points - 0.5) / scale).unbind(1)
    distance = torch.hypot(torch.hypot(x, y) - TORUS, z) - TUBE
    certain = distance.abs() > 1e-3
    assert torch.equal(solid.contains(points)[certain], (distance < 0)[certain])
    # And, turned, those of trimesh's count of intersections.
    other = MeshFile(saved(turned, tmp_path, "turned.stl"))
    expected = other._mesh.contains(points.double().numpy())
    assert np.array_equal(other.contains(points).numpy(), expected)


def test_a_mesh_of_several_closed_surfaces_contains_their_union_without_cavities(
    tmp_path: Path,
) -> None:
    def cube(low: float, high: float) -> trimesh.Trimesh:
        return trimesh.creation.box(bounds=[[low] * 3, [high] * 3])

    cavity, alone = cube(0.2, 0.8), cube(3.2, 4)
    cavity.invert()
    alone.invert()  # outside of all others: a part that was saved with the wrong orientation
    parts = [cube(0, 2), cube(1, 3), cavity, alone]
    solid = MeshFile(saved(trimesh.util.concatenate(parts), tmp_path))
    points = torch.rand(20_000, 3, generator=seeded_generator())
    original = (points - 0.5) / EXTENT * 4 + 2

    def within(low: float, high: float) -> Tensor:
        return ((original > low) & (original < high)).all(1)

    expected = within(0, 2) & ~within(0.2, 0.8) | within(1, 3) | within(3.2, 4)
    assert torch.equal(solid.contains(points), expected)


def test_surface_points_of_a_mesh_are_uniform(tmp_path: Path) -> None:
    box = trimesh.creation.box((2.0, 1.0, 0.5))
    solid = MeshFile(saved(box, tmp_path, "box.obj"))
    points = (solid.surface_points(60_000, seeded_generator()) - 0.5) / EXTENT * 2
    half = torch.tensor([1.0, 0.5, 0.25])
    on_side = ((points.abs() - half).abs() < 1e-5).float().mean(0)
    areas = torch.tensor([1 * 0.5, 2 * 0.5, 2 * 1.0]) / (0.5 + 1.0 + 2.0)
    torch.testing.assert_close(on_side, areas, atol=0.01, rtol=0)
    torch.testing.assert_close(points.mean(0), torch.zeros(3), atol=0.02, rtol=0)
    top = points[points[:, 2] > 0.2499]
    torch.testing.assert_close(
        top[:, :2].square().mean(0), torch.tensor([1 / 3, 1 / 12]), atol=0.01, rtol=0
    )


def test_the_mesh_of_a_solid_has_its_volume_and_orientation() -> None:
    vertices, faces = Torus().triangles(64)
    mesh = trimesh.Trimesh(vertices, faces)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(2 * math.pi**2 * TORUS * TUBE**2, rel=0.02)  # positive
    assert mesh.bounds == pytest.approx(Torus.bounds.numpy(), abs=0.005)


def test_a_solid_that_leaves_the_grid_is_closed_there() -> None:
    mesh = trimesh.Trimesh(*isosurface(np.ones((5, 5, 5)), 0.5))
    assert mesh.is_watertight
    assert 1 < mesh.volume < (7 / 6) ** 3  # at a third of a cell beyond the grid
    assert len(isosurface(np.zeros((5, 5, 5)), 0.5).faces) == 0


def test_ply_files_are_read_by_trimesh() -> None:
    mesh = Torus().triangles(20)
    read = trimesh.load_mesh(io.BytesIO(encode_ply(mesh)), file_type="ply", process=False)
    assert np.array_equal(read.vertices, mesh.vertices)
    assert np.array_equal(read.faces, mesh.faces)


def test_inverted_meshes_are_turned(tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=2)
    mesh.invert()
    solid = MeshFile(saved(mesh, tmp_path))
    inside = solid.contains(torch.tensor([[0.5, 0.5, 0.5], [0.01, 0.5, 0.5]]))
    assert inside.tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.ply", None, "no such file"),
        ("text.ply", b"a text", "not a readable mesh"),
        ("mesh.unknown", b"a text", "not a readable mesh"),
        ("empty.ply", encode_ply(triangles.Triangles(np.zeros((0, 3)), np.zeros((0, 3)))),
         "not a readable mesh|has no triangles"),
        ("points.ply", encode_ply(triangles.Triangles(np.eye(3), np.zeros((0, 3)))),
         "not a readable mesh|has no triangles"),
    ],
)  # fmt: skip
def test_unreadable_meshes_are_one_clear_line(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"data.path=.*{name}: ({message})") as caught:
        MeshFile(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_flat_meshes_are_one_clear_line(tmp_path: Path) -> None:
    corners = [[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]
    flat = trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 1]], process=False)
    with pytest.raises(UserError, match="encloses no volume"):
        MeshFile(saved(flat, tmp_path, "flat.off"))


def test_open_and_twisted_meshes_are_one_clear_line(tmp_path: Path) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=1)
    opened = trimesh.Trimesh(sphere.vertices, sphere.faces[1:])
    with pytest.raises(UserError, match="must be a closed mesh: 3 of its 120 edges do not"):
        MeshFile(saved(opened, tmp_path))
    faces = sphere.faces.copy()
    faces[0] = faces[0, ::-1]
    with pytest.raises(UserError, match="neighbouring triangles have opposite orientations"):
        MeshFile(saved(trimesh.Trimesh(sphere.vertices, faces), tmp_path))


@pytest.mark.parametrize("package", ["trimesh", "embreex"])
def test_without_the_packages_the_extra_is_named(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda name: None if name == package else name)
    with pytest.raises(UserError, match=rf"needs {package}: pip install 'mlp-lab\[meshes\]'"):
        MeshFile("mesh.ply")


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'mlp-lab\[images\]'"):
        isosurface(np.zeros((2, 2, 2)), 0.5)
