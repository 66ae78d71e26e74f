"""PyTorch's losses for tests/learning/engine_colour_test.ts: the same coloured pictures, initial values and steps.

    deno run -A tests/oracles/engine_colour.ts FOLDER && python engine_colour.py FOLDER
"""
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
FOLDER = Path(sys.argv[1])
STEPS, CLASSES = 3, 4
pictures = np.fromfile(FOLDER / "pictures", np.uint8).reshape(-1, 32, 32, 3)
X = torch.tensor(pictures.astype(np.float32) / 255)
CHANNELS_FIRST = X.permute(0, 3, 1, 2)
y = torch.tensor(np.fromfile(FOLDER / "labels", np.uint8).astype(np.int64))


def conv(x, w, b):
    return F.conv2d(x, w.permute(3, 2, 0, 1), b, padding=w.shape[0] // 2)


def softmax(w):
    return X.flatten(1) @ w[0] + w[1]


def two_layers(w):
    return F.relu(F.relu(X.flatten(1) @ w[0] + w[1]) @ w[2] + w[3]) @ w[4] + w[5]


def cnn(w):
    x = F.max_pool2d(F.relu(conv(CHANNELS_FIRST, w[0], w[1])), 2)
    x = F.max_pool2d(F.relu(conv(x, w[2], w[3])), 2)
    return F.relu(x.permute(0, 2, 3, 1).flatten(1) @ w[4] + w[5]) @ w[6] + w[7]


def residual(w):
    x = F.relu(conv(CHANNELS_FIRST, w[0], w[1]))
    x = F.max_pool2d(F.relu(x + conv(F.relu(conv(x, w[2], w[3])), w[4], w[5])), 2)
    x = F.relu(conv(x, w[6], w[7]))
    x = F.max_pool2d(F.relu(x + conv(F.relu(conv(x, w[8], w[9])), w[10], w[11])), 2)
    return x.mean((2, 3)) @ w[12] + w[13]


def block(size, before, after):
    return [(size, size, before, after), (after,)]


MODELS = {
    "softmax": (softmax, [(3072, CLASSES), (CLASSES,)], 0.01),
    "2nn": (two_layers, [(3072, 200), (200,), (200, 200), (200,), (200, CLASSES), (CLASSES,)], 0.01),
    "cnn": (cnn, block(5, 3, 32) + block(5, 32, 64) + [(4096, 512), (512,), (512, CLASSES), (CLASSES,)], 0.05),
    "residual": (
        residual,
        block(3, 3, 16) + 2 * block(3, 16, 16) + block(3, 16, 32) + 2 * block(3, 32, 32) + [(32, CLASSES), (CLASSES,)],
        0.005,
    ),
}

for name, (model, shapes, rate) in MODELS.items():
    flat = np.fromfile(FOLDER / name, np.float32)
    parts = np.split(flat, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
    weights = [torch.tensor(part.reshape(shape), requires_grad=True) for part, shape in zip(parts, shapes)]
    losses = []
    for _ in range(STEPS):
        loss = F.cross_entropy(model(weights), y)
        losses.append(loss.item())
        with torch.no_grad():
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights)):
                weight -= rate * gradient
    print(name, losses, F.cross_entropy(model(weights), y).item())
