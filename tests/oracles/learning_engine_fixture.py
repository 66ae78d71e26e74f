#!/usr/bin/env python3
"""Makes tests/fixtures/learning/engine.json: small networks, examples, and where several steps of SGD lead, computed by PyTorch's
autograd in 64-bit floats. Of the engine it shares the order of the parameters only.

Run by hand:  pip install numpy torch && python3 tests/oracles/learning_engine_fixture.py [--check]
With --check it computes anew and compares with the committed file instead of writing it.
"""

import base64
import json
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as F

FILE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "learning" / "engine.json"

RELU = {"type": "relu"}
POOL = {"type": "maxPool"}
MEAN = {"type": "globalMean"}


def dense(name, units):
    return {"type": "dense", "name": name, "units": units}


def conv(name, size, filters):
    return {"type": "conv", "name": name, "size": size, "filters": filters}


def residual(*layers):
    return {"type": "residual", "layers": list(layers)}


def image(rows, columns, channels):
    return {"rows": rows, "columns": columns, "channels": channels}


def classes(count):
    return {"type": "crossEntropy", "classes": count}


CASES = [
    {
        "name": "softmax regression",
        "network": {"input": image(1, 1, 9), "layers": [dense("a", 5)], "loss": classes(5)},
        "examples": 17,
        "batchSize": 4,
        "steps": 8,
        "learningRate": 0.5,
    },
    {
        "name": "dense layers with momentum",
        "network": {
            "input": image(3, 3, 1),
            "layers": [dense("a", 14), RELU, dense("b", 11), RELU, dense("c", 4)],
            "loss": classes(4),
        },
        "examples": 21,
        "batchSize": 6,
        "steps": 8,
        "learningRate": 0.1,
        "momentum": 0.9,
    },
    {
        "name": "squared error with momentum and a proximal term",
        "network": {
            "input": image(1, 6, 1),
            "layers": [dense("a", 10), RELU, dense("b", 3)],
            "loss": {"type": "squaredError", "outputs": 3},
        },
        "examples": 20,
        "batchSize": 5,
        "steps": 10,
        "learningRate": 0.1,
        "momentum": 0.5,
        "proximal": 0.3,
    },
    {
        "name": "convolutions and pooling",
        "network": {
            "input": image(8, 8, 1),
            "layers": [
                conv("a", 5, 6), RELU, POOL,
                conv("b", 5, 9), RELU, POOL,
                dense("c", 12), RELU, dense("d", 5),
            ],
            "loss": classes(5),
        },
        "examples": 12,
        "batchSize": 5,
        "steps": 6,
        "learningRate": 0.1,
    },
    {
        "name": "a residual net with momentum",
        "network": {
            "input": image(6, 4, 3),
            "layers": [
                conv("stem", 3, 7), RELU,
                residual(conv("block1", 3, 7), RELU, conv("block2", 3, 7)), RELU, POOL,
                residual(RELU, conv("block3", 1, 7)),
                MEAN, dense("head", 3),
            ],
            "loss": classes(3),
        },
        "examples": 10,
        "batchSize": 4,
        "steps": 6,
        "learningRate": 0.1,
        "momentum": 0.9,
    },
    {
        "name": "a residual net with a proximal term",
        "network": {
            "input": image(4, 4, 2),
            "layers": [
                conv("stem", 1, 5), RELU,
                residual(conv("block1", 5, 5), RELU), MEAN, dense("head", 3),
            ],
            "loss": classes(3),
        },
        "examples": 9,
        "batchSize": 9,
        "steps": 5,
        "learningRate": 0.3,
        "proximal": 1.0,
    },
]


def shapes(layers, extent):
    """The shapes of all tensors in order, and the extent that comes out."""
    found = []
    rows, columns, channels = extent
    for layer in layers:
        kind = layer["type"]
        if kind == "dense":
            found += [[rows * columns * channels, layer["units"]], [layer["units"]]]
            rows, columns, channels = 1, 1, layer["units"]
        elif kind == "conv":
            size, filters = layer["size"], layer["filters"]
            found += [[size, size, channels, filters], [filters]]
            channels = filters
        elif kind == "maxPool":
            rows, columns = rows // 2, columns // 2
        elif kind == "globalMean":
            rows, columns = 1, 1
        elif kind == "residual":
            found += shapes(layer["layers"], (rows, columns, channels))[0]
    return found, (rows, columns, channels)


def through(layers, x, tensors):
    """x is NHWC."""
    for layer in layers:
        kind = layer["type"]
        if kind == "dense":
            weight, bias = next(tensors), next(tensors)
            x = (x.reshape(x.shape[0], -1) @ weight + bias).reshape(x.shape[0], 1, 1, -1)
        elif kind == "conv":
            weight, bias = next(tensors), next(tensors)
            y = F.conv2d(x.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1), bias, padding="same")
            x = y.permute(0, 2, 3, 1)
        elif kind == "relu":
            x = torch.relu(x)
        elif kind == "maxPool":
            x = F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        elif kind == "globalMean":
            x = x.mean(dim=(1, 2), keepdim=True)
        elif kind == "residual":
            x = x + through(layer["layers"], x, tensors)
    return x


def floats(array):
    return base64.b64encode(numpy.asarray(array, dtype="<f4").tobytes()).decode()


def run(case, seed):
    rng = numpy.random.default_rng(seed)
    network = case["network"]
    inside = network["input"]
    extent = (inside["rows"], inside["columns"], inside["channels"])
    tensor_shapes, _ = shapes(network["layers"], extent)
    start = [
        rng.normal(0, (2 / numpy.prod(shape[:-1])) ** 0.5 if len(shape) > 1 else 0.1, shape)
        .astype("float32")
        for shape in tensor_shapes
    ]
    count = case["examples"]
    inputs = rng.normal(size=(count, *extent)).astype("float32")
    entropy = network["loss"]["type"] == "crossEntropy"
    if entropy:
        labels = rng.integers(network["loss"]["classes"], size=count)
    else:
        labels = rng.normal(size=(count, network["loss"]["outputs"])).astype("float32")
    batches = [rng.permutation(count)[: case["batchSize"]].tolist() for _ in range(case["steps"])]
    # The last step takes fewer, as the last one of an epoch does.
    batches[-1] = batches[-1][: max(1, case["batchSize"] // 2)]

    tensors = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in start]
    anchors = [tensor.detach().clone() for tensor in tensors]
    optimiser = torch.optim.SGD(
        tensors, lr=case["learningRate"], momentum=case.get("momentum", 0.0)
    )
    losses = []
    for batch in batches:
        optimiser.zero_grad()
        output = through(
            network["layers"], torch.tensor(inputs[batch], dtype=torch.float64), iter(tensors)
        ).reshape(len(batch), -1)
        if entropy:
            loss = F.cross_entropy(output, torch.tensor(labels[batch]))
        else:
            loss = F.mse_loss(output, torch.tensor(labels[batch], dtype=torch.float64))
        losses.append(loss.item())
        proximal = case.get("proximal", 0.0)
        if proximal > 0:
            for tensor, anchor in zip(tensors, anchors):
                loss = loss + proximal / 2 * ((tensor - anchor) ** 2).sum()
        loss.backward()
        optimiser.step()
    ended = numpy.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])
    return {
        "name": case["name"],
        "network": network,
        "learningRate": case["learningRate"],
        "momentum": case.get("momentum", 0.0),
        "proximal": case.get("proximal", 0.0),
        "parameters": floats(numpy.concatenate([array.ravel() for array in start])),
        "inputs": floats(inputs),
        "labels": floats(labels),
        "batches": batches,
        "losses": losses,
        "ended": floats(ended),
    }


made = [run(case, seed) for seed, case in enumerate(CASES)]
if "--check" in sys.argv:
    committed = json.loads(FILE.read_text(encoding="utf-8"))
    for old, new in zip(committed, made, strict=True):
        one, other = (
            numpy.frombuffer(base64.b64decode(case["ended"]), dtype="<f4") for case in (old, new)
        )
        same = old["parameters"] == new["parameters"] and numpy.allclose(one, other, rtol=1e-6)
        print("ok  " if same else "not ", old["name"])
        if not same:
            sys.exit(1)
else:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(made, indent=1, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{FILE}: {len(made)} cases, PyTorch {torch.__version__}")
