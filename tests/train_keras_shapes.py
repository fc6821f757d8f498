"""Draws circles, squares and triangles, trains tiny Keras networks on them, and saves them with awkward files beside.

Run by the interpreter of an environment with TensorFlow: ``python train_keras_shapes.py FOLDER``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image, ImageDraw

KINDS = ("circle", "square", "triangle")
SIDE = 64


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    for kind in KINDS:
        (folder / "photos" / kind).mkdir(parents=True)
        for number in range(60):
            _drawn(kind, rng).save(folder / "photos" / kind / f"{number}.png")
    pixels = np.stack([np.asarray(_drawn(kind, rng)) for kind in KINDS for _ in range(300)]).astype(np.float32)
    truth = np.repeat(np.arange(len(KINDS)), 300)
    scaled = _trained([layers.Rescaling(1 / 127.5, -1)], pixels, truth)
    scaled.save(folder / "shapes.keras")
    scaled.save(folder / "shapes.h5")
    _trained([], pixels / 127.5 - 1, truth).save(folder / "plain.keras")
    _spoiled(scaled).save(folder / "spoiled.keras")
    _save_awkward(folder)


def _drawn(kind: str, rng: np.random.Generator) -> Image.Image:
    dark, bright = (tuple(int(v) for v in rng.integers(*limits, 3)) for limits in ((0, 90), (150, 255)))
    picture = Image.new("RGB", (SIDE, SIDE), dark)
    (x, y), size = rng.integers(6, 22, 2).tolist(), int(rng.integers(24, 36))
    draw = ImageDraw.Draw(picture)
    if kind == "circle":
        draw.ellipse((x, y, x + size, y + size), fill=bright)
    elif kind == "square":
        draw.rectangle((x, y, x + size, y + size), fill=bright)
    else:
        draw.polygon(((x, y + size), (x + size, y + size), (x + size // 2, y)), fill=bright)
    return picture


def _trained(head: list[layers.Layer], pixels: np.ndarray, truth: np.ndarray) -> keras.Model:
    body = [
        layers.Conv2D(16, 3, 2, activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(32, 3, 2, activation="relu6"),
        layers.Conv2D(32, 3, 2, activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(len(KINDS), activation="softmax"),
    ]
    network = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *head, *body])
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(pixels, truth, epochs=12, verbose=0)
    return network


def _spoiled(network: keras.Model) -> keras.Model:
    """The same function, one of whose channels is so large in between that 8 bits lose the others."""
    large = np.ones(16)
    large[0] = 1e6
    rescale, convolve, *rest = network.layers
    between = [layers.Rescaling(large.tolist()), layers.ReLU(), layers.Rescaling((1 / large).tolist())]
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), rescale, convolve, *between, *rest])


def _save_awkward(folder: Path) -> None:
    picture = keras.Input((16, 16, 3))
    flat = layers.Flatten()(picture)
    runs_code = layers.Lambda(lambda x: x / 255)(flat)
    models = {
        "lambda.keras": keras.Model(picture, layers.Dense(3)(runs_code)),
        "lambda.h5": keras.Model(picture, layers.Dense(3)(runs_code)),
        "two_outputs.keras": keras.Model(picture, [layers.Dense(3)(flat), layers.Dense(2)(flat)]),
        "one_number.keras": keras.Model(picture, layers.Dense(1, activation="sigmoid")(flat)),
        "vector.keras": keras.Sequential([keras.Input((10,)), layers.Dense(3)]),
        "any_size.keras": keras.Sequential(
            [keras.Input((None, None, 3)), layers.GlobalAveragePooling2D(), layers.Dense(3)]
        ),
        "half.keras": keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(3, dtype="float16")]),
    }
    for name, model in models.items():
        model.save(folder / name)
    whole = (folder / "shapes.keras").read_bytes()
    (folder / "cut.keras").write_bytes(whole[: len(whole) // 2])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
