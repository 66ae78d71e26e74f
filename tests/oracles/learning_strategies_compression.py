#!/usr/bin/env python3
"""Writes tests/fixtures/learning/compression.json: compressed updates as docs/protocols/update-compression.md describes them, made by code that shares nothing with ours.

Run by hand:  pip install numpy scipy cryptography && python3 tests/oracles/learning_strategies_compression.py
"""

import hashlib
import json
import math
import pathlib
import struct

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from scipy.linalg import hadamard
from scipy.optimize import root
from scipy.stats import norm


def keystream(seed, label, size):
    key = hashlib.sha256(seed + label.encode()).digest()
    return Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(size))


def signs(seed, label, count):
    words = keystream(seed, label, 4 * math.ceil(count / 32))
    bits = np.unpackbits(np.frombuffer(words, np.uint8), bitorder="little")[:count]
    return np.where(bits == 1, -1.0, 1.0)


def blocks(count):
    lengths = [4096] * (count // 4096)
    rest = count % 4096
    for length in (2048, 1024, 512, 256, 128, 64):
        if rest >= length:
            lengths.append(length)
            rest -= length
    return lengths + ([64] if rest else [])


def header(method, bits, count, seed):
    return struct.pack("<BBBBI", 1, method, bits, 0, count) + keystream(seed, "check", 8)


def pack(codes, bits):
    planes = ((codes[:, None] >> np.arange(bits)) & 1).astype(np.uint8).ravel()
    return np.packbits(planes, bitorder="little").tobytes()


def centroids(bits):
    half = 2 ** (bits - 1)

    def means(values):
        edges = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [np.inf]])
        return (norm.pdf(edges[:-1]) - norm.pdf(edges[1:])) / (norm.sf(edges[:-1]) - norm.sf(edges[1:]))

    values = np.sqrt(3) * norm.ppf(0.5 + (np.arange(half) + 0.5) / (2 * half))
    for _ in range(2000):
        values = means(values)
    values = root(lambda v: means(v) - v, values, tol=1e-15).x
    return np.concatenate([-values[::-1], values])


def rotated_blocks(update, seed):
    """Of each block its numbers and its rotation as a matrix (norms grow by the block's length)."""
    count = sum(blocks(len(update)))
    padded = np.zeros(count)
    padded[: len(update)] = update
    first, second = signs(seed, "blocks", count), signs(seed, "blocks again", count)
    at = 0
    for length in blocks(len(update)):
        here = slice(at, at + length)
        transform = hadamard(length).astype(float)
        yield padded[here], transform * second[here] @ transform * first[here]
        at += length


def eden(update, bits, seed):
    table = centroids(bits)
    out, decoded = header(1, bits, len(update), seed), []
    for part, rotation in rotated_blocks(update, seed):
        rotated = rotation @ part
        square = float(part @ part)
        if square > 0:
            codes = np.argmin(np.abs(rotated[:, None] / math.sqrt(square * len(part)) - table), axis=1)
            scale = np.float32(square / (rotated @ table[codes]))
        else:
            # A zero lies between the two middle values; the smaller one is taken.
            codes, scale = np.full(len(part), 2 ** (bits - 1) - 1), np.float32(0)
        out += struct.pack("<f", scale) + pack(codes, bits)
        decoded.append(float(scale) * (rotation.T @ table[codes]))
    return out, np.concatenate(decoded)[: len(update)]


def stochastic(update, bits, seed, random):
    levels = 2**bits
    out, decoded = header(2, bits, len(update), seed), []
    for part, rotation in rotated_blocks(update, seed):
        rotated = (rotation @ part).astype(np.float32).astype(float)
        low = rotated.min()
        step = float(np.float32((rotated.max() - low) / (levels - 1) * (1 + 2**-23)))
        place = (rotated - low) / step if step > 0 else np.zeros(len(part))
        codes = np.floor(place + random.random(len(part))).astype(int).clip(0, levels - 1)
        out += struct.pack("<ff", low, step) + pack(codes, bits)
        decoded.append(rotation.T @ (low + codes * step) / len(part) ** 2)
    return out, np.concatenate(decoded)[: len(update)]


def chosen(count, share):
    return max(1, min(count, math.ceil(count * share)))


def top_k(update, share, seed):
    count, k = len(update), chosen(len(update), share)
    places = np.sort(np.lexsort((np.arange(count), -np.abs(update)))[:k])
    low = 0
    while 2 ** (low + 1) * 1000 * k <= 693 * count:
        low += 1
    bits, last = [], -1
    for place in places:
        gap = int(place) - last - 1
        last = int(place)
        bits += [1] * (gap >> low) + [0] + [(gap >> i) & 1 for i in range(low)]
    out = header(3, 32, count, seed) + update[places].astype("<f4").tobytes()
    out += np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()
    decoded = np.zeros(count)
    decoded[places] = update[places]
    return out, decoded


def random_k(update, share, seed, feedback):
    count, k = len(update), chosen(len(update), share)
    words = iter(struct.unpack("<4096I", keystream(seed, "places", 4 * 4096)))
    values, decoded = [], np.zeros(count)
    for i in range(k):
        start = i * count // k
        length = (i + 1) * count // k - start
        usable = 2**32 - 2**32 % length
        word = next(word for word in words if word < usable)
        place = start + word % length
        value = np.float32(update[place] * (1 if feedback else length))
        values.append(value)
        decoded[place] = value
    return header(4, 32, count, seed) + np.array(values, "<f4").tobytes(), decoded


random = np.random.default_rng(7)
vectors = []


def add(name, numbers, update, made):
    out, decoded = made
    vectors.append({
        "compression": {"name": name, **numbers},
        "seed": seed.hex(),
        "update": [float(value) for value in update],
        "bytes": out.hex(),
        "decoded": [float(np.float32(value)) for value in decoded],
    })


for index, count in enumerate([3, 5, 64, 100, 333]):
    seed = hashlib.sha256(b"update compression vector %d" % index).digest()
    update = random.normal(size=count).astype(np.float32).astype(float)
    if count == 100:
        update[:] = np.round(update * 2) / 2
    for bits in {3: (1, 8), 5: (1,), 64: (2, 3), 100: (4,), 333: (1, 2, 5, 8)}[count]:
        add("eden", {"bits": bits}, update, eden(update, bits, seed))
        add("stochastic", {"bits": bits}, update, stochastic(update, bits, seed, random))
    add("topK", {"share": 0.1}, update, top_k(update, 0.1, seed))
    add("randomK", {"share": 0.1, "feedback": 1}, update, random_k(update, 0.1, seed, True))
    add("randomK", {"share": 0.1, "feedback": 0}, update, random_k(update, 0.1, seed, False))

seed = hashlib.sha256(b"zeros").digest()
add("eden", {"bits": 1}, np.zeros(70), eden(np.zeros(70), 1, seed))

target = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "learning" / "compression.json"
target.write_text(json.dumps(vectors) + "\n", encoding="utf-8")
print(f"{len(vectors)} vectors")
