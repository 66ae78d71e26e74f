#!/usr/bin/env python3
"""What a noise share means for accuracy: the table "How much noise is too much" of docs/privacy-accounting.md.

Softmax regression (7,850 numbers) on MNIST: N devices with equal parts of the 60,000 digits, all of them in each of R rounds, one
epoch of SGD in batches of 10, updates clipped to their median length of the first round, mean update with Gaussian noise.

Needs Python 3.11 with numpy and the four MNIST files (gzip). Run: python3 tests/oracles/privacy_noise_share.py FOLDER [DEVICES] [ROUNDS]
"""

import gzip
import pathlib
import sys

import numpy

FOLDER = pathlib.Path(sys.argv[1])
DEVICES = int(sys.argv[2]) if len(sys.argv) > 2 else 100
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
SHARES = (0, 0.1, 0.3, 1, 3, 10)
RATE = 0.05
BATCH = 10


def read(part, kind):
    (path,) = [p for p in FOLDER.glob(f"*{part}*{kind}*.gz")]
    data = numpy.frombuffer(gzip.decompress(path.read_bytes()), dtype=numpy.uint8)
    return data[8:] if kind == "labels" else data[16:].reshape(-1, 784).astype(numpy.float32) / 255


def with_bias(images):
    return numpy.hstack([images, numpy.ones((len(images), 1), dtype=numpy.float32)])


def train(weights, images, labels, order):
    """One epoch of all devices at once: weights is (devices, 785, 10)."""
    devices, count = labels.shape
    for start in range(0, count, BATCH):
        at = order[:, start:start + BATCH]
        x = images[numpy.arange(devices)[:, None], at]
        y = labels[numpy.arange(devices)[:, None], at]
        logits = x @ weights
        logits -= logits.max(axis=2, keepdims=True)
        p = numpy.exp(logits)
        p /= p.sum(axis=2, keepdims=True)
        numpy.put_along_axis(p, y[:, :, None], numpy.take_along_axis(p, y[:, :, None], 2) - 1, 2)
        weights -= RATE / at.shape[1] * (x.transpose(0, 2, 1) @ p)
    return weights


def run(share, images, labels, test_images, test_labels):
    rng = numpy.random.default_rng(1)
    weights = numpy.zeros((785, 10), dtype=numpy.float32)
    clip = None
    for _ in range(ROUNDS):
        order = numpy.argsort(rng.random(labels.shape), axis=1)
        local = train(numpy.repeat(weights[None], DEVICES, 0), images, labels, order)
        updates = (local - weights).reshape(DEVICES, -1)
        norms = numpy.linalg.norm(updates, axis=1)
        if clip is None:
            clip = float(numpy.median(norms))
        updates *= numpy.minimum(1, clip / norms)[:, None]
        # share = sigma sqrt(d) / (n sqrt(R)); the mean carries noise of sigma * clip / n on each number.
        deviation = share * clip * numpy.sqrt(ROUNDS) / numpy.sqrt(weights.size)
        noise = rng.normal(0, 1, weights.size) * deviation
        weights = weights + (updates.mean(axis=0) + noise).reshape(weights.shape).astype(numpy.float32)
    return float((numpy.argmax(test_images @ weights, axis=1) == test_labels).mean())


def main():
    images, labels = with_bias(read("train", "images")), read("train", "labels").astype(numpy.int64)
    test_images, test_labels = with_bias(read("t10k", "images")), read("t10k", "labels")
    size = len(images) // DEVICES
    order = numpy.random.default_rng(0).permutation(len(images))[: size * DEVICES]
    images, labels = images[order].reshape(DEVICES, size, -1), labels[order].reshape(DEVICES, size)
    for share in SHARES:
        accuracy = run(share, images, labels, test_images, test_labels)
        print(f"share {share}: {100 * accuracy:.1f} %", flush=True)


main()
