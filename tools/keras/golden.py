#!/usr/bin/env python3
"""Writes tests/foreign/keras: small models by real Keras with their logits, and an HDF5 file by h5py.

    pip install tensorflow-cpu keras tf_keras h5py
    python3 tools/keras/golden.py keras3
    python3 tools/keras/golden.py keras2
    python3 tools/keras/golden.py hdf5

Over TensorFlow: over PyTorch, Keras 3 repeats the edge where average pooling pads unevenly, so its logits differ.

The tests need none of this: the files are kept. Pixels are a formula (`pixels`), so that only logits are stored.
"""

import json
import pathlib
import sys
import zipfile

import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "foreign" / "keras"
rng = np.random.default_rng(11)


def pixels(n, c, h, w):
    """Unit pixels, batch x channels x height x width; the same formula as in the tests."""
    i, k, y, x = np.indices((n, c, h, w))
    return (((i * 7 + k * 5 + y * 3 + x * 2) % 17) / 16).astype("f4")


def stir(layers):
    """Weights and statistics that no initialiser would give."""
    for layer in layers:
        if hasattr(layer, "layers"):
            stir(layer.layers)
        elif type(layer).__name__ == "BatchNormalization":
            positive = [w for w in layer.weights if "gamma" in w.name or "var" in w.name]
            names = [w.name for w in positive]
            layer.set_weights([
                rng.uniform(0.4, 1.8, w.shape) if w.name in names else rng.normal(0, 0.4, w.shape)
                for w in layer.weights
            ])
        else:
            values = layer.get_weights()
            layer.set_weights([v + rng.normal(0, 0.1, v.shape).astype("f4") for v in values])


def models(keras):
    """Name, model that gives logits, model as saved (it may end in a softmax), what pixels are multiplied with."""
    layers = keras.layers

    def sequential():
        body = [
            keras.Input((9, 8, 3)),
            layers.Rescaling(1 / 255.0),
            layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Dropout(0.5),
            layers.Flatten(),
        ]
        head = layers.Dense(3, name="scores")
        model = keras.Sequential([*body, head])
        return model, keras.Sequential([*body, head, layers.Softmax()]), 255.0

    def functional():
        image = keras.Input((8, 10, 2), name="image")
        x = layers.ZeroPadding2D(((1, 0), (0, 1)))(image)
        x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", strides=2, activation="relu")(x)
        x = layers.SeparableConv2D(6, 3, padding="same", activation="tanh")(x)
        twice = layers.Conv2D(6, 1, name="twice")
        y = layers.Add()([x, twice(twice(x))])
        a = layers.MaxPooling2D(3, strides=2, padding="same")(y)
        b = layers.AveragePooling2D(3, strides=2, padding="same")(y)
        z = layers.Concatenate()([a, b])
        gate = layers.GlobalAveragePooling2D()(z)
        gate = layers.Dense(12, activation="sigmoid")(layers.Reshape((1, 1, 12))(gate))
        z = layers.Multiply()([z, gate])
        inner = keras.Sequential(
            [keras.Input(tuple(z.shape[1:])), layers.Conv2D(5, 2, activation="elu"), layers.Flatten(),
             layers.BatchNormalization(), layers.Dense(7, activation="selu", name="inside")],
            name="head")
        logits = layers.Dense(4, name="scores")(inner(z))
        model = keras.Model(image, logits)
        return model, keras.Model(image, layers.Activation("softmax")(logits)), 1.0

    yield "sequential", *sequential()
    yield "functional", *functional()


def packed(path):
    """Deflates the members, which Keras only stores; it reads both."""
    with zipfile.ZipFile(path) as z:
        members = {name: z.read(name) for name in z.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members.items():
            z.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def write_models(tag, keras, kinds):
    expected = {}
    for name, plain, saved, scale in models(keras):
        stir(plain.layers)
        _, h, w, c = plain.input_shape
        images = pixels(3, c, h, w).transpose(0, 2, 3, 1) * scale
        expected[name] = np.asarray(plain(images, training=False)).astype("f8").tolist()
        for kind in kinds:
            saved.save(OUT / f"{tag}-{name}.{kind}")
            if kind == "keras":
                packed(OUT / f"{tag}-{name}.{kind}")
    (OUT / f"{tag}.json").write_text(json.dumps(expected, indent=1) + "\n")


def write_hdf5():
    import h5py

    ramp = np.arange(7 * 5 * 3).reshape(7, 5, 3)
    for libver in ("earliest", "v110"):
        with h5py.File(OUT / f"arrays-{libver}.h5", "w", libver=(libver, "latest" if libver == "earliest" else libver)) as f:
            f.attrs["short"] = np.bytes_("fixed text")
            f.attrs["long"] = "x" * 20_000
            f.attrs["list"] = [b"one", b"three"]
            f["plain"] = ramp.astype("<f4")
            f["wide"] = ramp.astype(">f8")
            f["half"] = ramp.astype("<f2")
            f["whole"] = ramp.astype("<i2")
            f["one"] = np.float32(2.5)
            if libver == "earliest":
                many = f.create_group("many/inner")
                for k in range(40):
                    many[f"array {k}"] = np.full(3, k, "f4")
                f.create_dataset("packed", data=ramp.astype("<f4"), chunks=(2, 3, 2), compression="gzip",
                                 shuffle=True, fletcher32=True)
                f.create_dataset("rows", data=np.arange(1000, dtype="<i4"), chunks=(7,))
                f.create_dataset("lzf", data=ramp.astype("<f4"), chunks=(2, 3, 2), compression="lzf")
            else:
                f.create_dataset("packed", data=ramp.astype("<f4"), chunks=(7, 5, 3), compression="gzip")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    what = sys.argv[1]
    if what == "keras3":
        import keras

        write_models("keras3", keras, ["keras", "h5"])
    elif what == "keras2":
        import tf_keras

        write_models("keras2", tf_keras, ["h5"])
    else:
        write_hdf5()
