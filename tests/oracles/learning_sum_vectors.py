#!/usr/bin/env python3
"""Writes tests/fixtures/learning/sum_vectors.json: sums of compressed updates as section 9 of docs/protocols/update-compression.md describes them, and what
they mean, made by code that shares nothing with ours.

Run by hand:  pip install numpy scipy cryptography && python3 tests/oracles/learning_sum_vectors.py
"""

import hashlib
import json
import math
import pathlib

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from scipy.linalg import hadamard

WEIGHT_MAX = 127


def keystream(seed, label, size):
    key = hashlib.sha256(seed + label.encode()).digest()
    return Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(size))


def signs(seed, label, count):
    words = keystream(seed, label, 4 * math.ceil(count / 32))
    bits = np.unpackbits(np.frombuffer(words, np.uint8), bitorder="little")[:count]
    return np.where(bits == 1, -1.0, 1.0)


def rotation(count, seed):
    """As a matrix."""
    size = 2 ** int(math.log2(count))
    turn = hadamard(size) / math.sqrt(size)
    whole = np.eye(count)
    whole[:size, :size] = turn * signs(seed, "first", size)
    if size == count:
        return whole
    second = np.eye(count)
    second[-size:, -size:] = turn * signs(seed, "last", size)
    return second @ whole


def places(count, k, seed):
    stream = np.frombuffer(keystream(seed, "places", 4096 * 16), "<u4")
    at, chosen, lengths = 0, [], []
    for i in range(k):
        start, end = i * count // k, (i + 1) * count // k
        below = end - start
        while int(stream[at]) >= 2**32 - 2**32 % below:
            at += 1
        chosen.append(start + int(stream[at]) % below)
        lengths.append(below)
        at += 1
    return np.array(chosen), np.array(lengths)


def digits(value, width, bits):
    return [(value >> (bits * i)) % 2**bits for i in range(math.ceil(width / bits))]


def case(rng, number):
    count, devices = int(rng.integers(3, 150)), int(rng.integers(1, 12))
    kind = ("stochastic", "first", "randomK", "unbiased")[number % 4]
    bits = int(rng.integers(2, 12)) if kind == "stochastic" else 16
    seed = rng.bytes(32)
    limit = float(rng.uniform(0.5, 2))
    turn = rotation(count, seed) if kind == "stochastic" else np.eye(count)
    share = round(float(rng.uniform(0.05, 1)), 3)
    k = math.ceil(share * count)
    measured = kind in ("stochastic", "first")
    total, expected, whole_weight, weighed = None, np.zeros(count), 0, 0
    for _ in range(devices):
        update = rng.normal(size=count) * 10 ** rng.uniform(-3, -1)
        weight = int(rng.integers(1, WEIGHT_MAX + 1))
        scaled = update * weight / WEIGHT_MAX
        sent = turn @ scaled
        if not measured:
            where, lengths = places(count, k, seed)
            sent = scaled[where]
        level = np.floor((sent + limit) * (2**bits - 1) / (2 * limit) + rng.uniform(size=len(sent)))
        level = np.clip(level, 0, 2**bits - 1).astype(int)
        vector = list(level) + digits(weight, 7, bits)
        length = math.ceil(8 * math.log2(np.linalg.norm(scaled))) + 320
        if measured:
            vector += digits(weight * length, 16, bits)
        total = np.array(vector) if total is None else total + np.array(vector)
        whole_weight += weight
        weighed += weight * length
        back = level * 2 * limit / (2**bits - 1) - limit
        if measured:
            expected += turn.T @ back
        else:
            expected[where] += back * (lengths if kind == "unbiased" else 1)
    return {
        "form": {
            "count": count,
            "range": limit,
            "bits": bits,
            "rotation": seed.hex() if kind == "stochastic" else None,
            "choice": None
            if measured
            else {"share": share, "seed": seed.hex(), "feedback": kind == "randomK"},
            "measured": measured,
        },
        "devices": devices,
        "modulusBits": max(2, bits + math.ceil(math.log2(devices))),
        "sum": [int(value) for value in total],
        "weight": whole_weight,
        "mean": [float(np.float32(value)) for value in expected * WEIGHT_MAX / whole_weight],
        "typical": 2 ** (math.ceil(weighed / whole_weight) / 8 - 40) if measured else None,
    }


def main():
    rng = np.random.default_rng(9)
    target = pathlib.Path(__file__).parent.parent / "fixtures" / "learning" / "sum_vectors.json"
    target.write_text(json.dumps([case(rng, number) for number in range(24)], separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
