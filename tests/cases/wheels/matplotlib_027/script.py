"""Paths and images of matplotlib, whose extension modules take the addresses of functions for C++ exceptions, which only the host has."""
import numpy as np
from matplotlib import _path, transforms
from matplotlib.path import Path
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

square = Path([(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)], closed=True)
print(square.contains_points([(1, 1), (3, 1), (0.5, 1.9)]).tolist())
print(square.intersects_path(Path([(1, 1), (5, 5)])), square.intersects_path(Path([(3, 3), (5, 5)])))
print(square.get_extents(transforms.Affine2D().rotate_deg(45)).size.round(6).tolist())
print(square.clip_to_bbox(transforms.Bbox([[1, 1], [3, 3]])).vertices.round(3).tolist())
print(Path.circle().transformed(transforms.Affine2D().scale(2)).cleaned(simplify=True).vertices.shape)
print(_path.affine_transform(np.array([[1.0, 2.0]]), np.array([[2.0, 0, 1], [0, 3, 1], [0, 0, 1]])).tolist())
for wrong in [
    lambda: _path.affine_transform(np.zeros((2, 3, 4)), np.eye(3)),
    lambda: _path.affine_transform(np.zeros((2, 2)), np.eye(2)),
    lambda: _path.points_in_path(np.zeros((2, 2)), 0.0, "no path", np.eye(3)),
]:
    try:
        wrong()
        print("no error")
    except Exception as error:
        print(type(error).__name__, error)

figure = Figure(figsize=(2, 1), dpi=50)
canvas = FigureCanvasAgg(figure)
figure.add_subplot().plot([0, 1, 2], [1, 0, 3])
canvas.draw()
pixels = np.asarray(canvas.buffer_rgba())
print(pixels.shape, 0 < (pixels[..., :3].sum(axis=2) < 700).mean() < 0.5)
