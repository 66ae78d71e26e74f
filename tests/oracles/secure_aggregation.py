#!/usr/bin/env python3
"""Builds tests/fixtures/learning/secure_aggregation.json: a secure sum of six devices, two of which fall away, and the graph's numbers,
from docs/protocols/secure-aggregation.md with code that shares nothing with ours: cryptography, galois and exact fractions.

Run by hand:  pip install cryptography galois && python3 tests/oracles/secure_aggregation.py
Writes the file when it is missing; otherwise compares, and ends with status 1 at the first difference.
"""

import base64
import hashlib
import json
import math
import pathlib
import struct
import sys
from fractions import Fraction

import galois
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

GF = galois.GF(2**8, irreducible_poly="x^8 + x^4 + x^3 + x + 1")
FILE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "learning" / "secure_aggregation.json"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def label(text):
    return text.encode() + b"\0"


def hkdf(secret, salt, info):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(secret)


def drawn(*names):
    """Secrets that are nobody's: they follow from their names."""
    return sha256(b"secure aggregation vector", *(str(name).encode() + b"/" for name in names))


def stream(key, count):
    cipher = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    return struct.unpack(f"<{count}I", cipher.update(bytes(4 * count)))


def merkle(leaves):
    """RFC 6962, section 2.1, by its own recursion."""
    if len(leaves) == 1:
        return sha256(b"\0", leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1", merkle(leaves[:split]), merkle(leaves[split:]))


def merkle_path(leaves, index):
    if len(leaves) == 1:
        return b""
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return merkle_path(leaves[:split], index) + merkle(leaves[split:])
    return merkle_path(leaves[split:], index - split) + merkle(leaves[:split])


def bitmap(indices, count):
    out = bytearray((count + 7) // 8)
    for index in indices:
        out[index // 8] |= 1 << (index % 8)
    return bytes(out)


def pack(numbers, bits):
    whole = sum((number % 2**bits) << (i * bits) for i, number in enumerate(numbers))
    return whole.to_bytes((len(numbers) * bits + 7) // 8, "little")


def tail(population, marked, draws, least):
    ways = sum(math.comb(marked, x) * math.comb(population - marked, draws - x) for x in range(least, draws + 1))
    return Fraction(ways, math.comb(population, draws))


def shape(n, corrupt_permille, dropout_permille, privacy, completion):
    corrupt = max(1, n * corrupt_permille // 1000)
    dropouts = n * dropout_permille // 1000
    quorum = min((n + corrupt) // 2 + 1, n)
    for k in range(2, min(254, n - 2, n - 1 - max(corrupt, dropouts)) + 1, 2):
        if Fraction(n * n, 2) * Fraction(corrupt + dropouts, n) ** k > Fraction(1, 2**privacy):
            continue
        good = [
            t
            for t in range(1, k + 1)
            if n * tail(n - 1, corrupt, k, t) <= Fraction(1, 2**privacy)
            and n * tail(n - 1, dropouts, k, k - t + 1) <= Fraction(1, 2**completion)
        ]
        if good:
            return [n, k, max(good), quorum, corrupt]
    return [n, n - 1, quorum - 1, quorum, corrupt] if n <= 255 else None


def shuffled(seed, n):
    words = iter(stream(seed, 2 * n + 64))
    order = list(range(n))
    for last in range(n - 1, 0, -1):
        usable = 2**32 - 2**32 % (last + 1)
        word = next(word for word in words if word < usable)
        other = word % (last + 1)
        order[last], order[other] = order[other], order[last]
    return order


def split(secret, threshold, count, coefficients):
    polynomials = [galois.Poly([row[i] for row in reversed([secret, *coefficients])], field=GF) for i in range(32)]
    assert len(coefficients) == threshold - 1
    return [bytes(int(polynomial(x)) for polynomial in polynomials) for x in range(1, count + 1)]


ASSUMPTIONS = {"corruptPermille": 100, "dropoutPermille": 333, "privacyBits": 60, "completionBits": 20}
ROUND = {
    "run": sha256(b"run").hex(),
    "round": 7,
    "attempt": 2,
    "modelHash": sha256(b"model").hex(),
    "length": 9,
    "bits": 13,
    "assumptions": ASSUMPTIONS,
}


def round_hash():
    return sha256(
        label("kiana sum round v1"),
        bytes.fromhex(ROUND["run"]),
        bytes.fromhex(ROUND["modelHash"]),
        struct.pack(
            ">IIIBHHBB", ROUND["round"], ROUND["attempt"], ROUND["length"], ROUND["bits"], *ASSUMPTIONS.values()
        ),
    )


def device_id(key):
    return base64.b32encode(key).decode().lower().rstrip("=")


def play():
    n, silent, late = 6, 2, 4  # the third falls away before its vector, the fifth before its signature
    devices = []
    for i in range(n):
        identity = Ed25519PrivateKey.from_private_bytes(drawn("identity", i))
        key = identity.public_key().public_bytes_raw()
        devices.append({"seed": drawn("identity", i), "identity": identity, "key": key, "id": device_id(key)})
    devices.sort(key=lambda device: device["id"])
    _, degree, threshold, quorum, _ = shape(n, *ASSUMPTIONS.values())
    the_round = round_hash()
    for i, device in enumerate(devices):
        device["mask"] = X25519PrivateKey.from_private_bytes(drawn("mask", i))
        device["share"] = X25519PrivateKey.from_private_bytes(drawn("share", i))
        keys = device["mask"].public_key().public_bytes_raw() + device["share"].public_key().public_bytes_raw()
        device["keys"] = keys
        device["advertised"] = keys + device["identity"].sign(label("kiana sum keys v1") + the_round + keys)
        device["values"] = [int.from_bytes(drawn("value", i, j)[:4], "big") % 2 ** ROUND["bits"] for j in range(ROUND["length"])]
    leaves = [device["key"] + device["keys"] for device in devices]
    root = merkle(leaves)
    public = b"".join(device["key"] for device in devices)
    roster = sha256(label("kiana sum roster v1"), the_round, sha256(public), root)
    assert degree == n - 1
    neighbours = [[j for j in range(n) if j != i] for i in range(n)]

    def commit(kind, owner, holder, value):
        names = devices[owner]["key"] + devices[holder]["key"]
        return sha256(label("kiana sum commitment v1"), roster, bytes([kind]), names, value)[:16]

    for i, device in enumerate(devices):
        device["b"] = drawn("seed", i)
        device["coefficients"] = [[drawn(what, i, c) for c in range(1, threshold)] for what in ("seed", "mask secret")]
        secrets = [device["b"], drawn("mask", i)]
        device["dealt"] = [split(s, threshold, degree, c) for s, c in zip(secrets, device["coefficients"])]
        sealed = b""
        committed = b""
        for place, j in enumerate(neighbours[i]):
            shares = [dealt[place] for dealt in device["dealt"]]
            commitments = commit(0, i, j, shares[0]) + commit(1, i, j, shares[1])
            agreed = device["share"].exchange(devices[j]["share"].public_key())
            key = hkdf(agreed, roster, label("kiana sum share v1") + device["key"] + devices[j]["key"])
            committed += commitments
            sealed += commitments + ChaCha20Poly1305(key).encrypt(bytes(12), b"".join(shares), commitments)
        device["sealed"] = sealed
        device["commitment"] = commit(2, i, i, device["b"])
        device["signedShares"] = device["identity"].sign(label("kiana sum dealt v1") + roster + device["commitment"] + committed)

    def pair_mask(i, j):
        low, high = sorted((i, j))
        agreed = devices[i]["mask"].exchange(devices[j]["mask"].public_key())
        key = hkdf(agreed, roster, label("kiana sum pair mask v1") + devices[low]["key"] + devices[high]["key"])
        return [(1 if i < j else -1) * word for word in stream(key, ROUND["length"])]

    for i, device in enumerate(devices):
        masked = list(device["values"])
        for j in neighbours[i]:
            masked = [value + word for value, word in zip(masked, pair_mask(i, j))]
        key = hkdf(device["b"], roster, label("kiana sum self mask v1"))
        device["selfMask"] = stream(key, len(masked))
        device["masked"] = [value + word for value, word in zip(masked, device["selfMask"])]
        device["packed"] = pack(device["masked"], ROUND["bits"])

    survivors = [i for i in range(n) if i != silent]
    inputs = [struct.pack(">I", i) + sha256(devices[i]["packed"]) for i in survivors]
    claim = bitmap(survivors, n) + merkle(inputs)
    for i in survivors:
        devices[i]["signed"] = devices[i]["identity"].sign(label("kiana sum survivors v1") + roster + claim)
    signers = [i for i in survivors if i != late]
    assert len(signers) >= quorum
    signers = signers[:quorum]
    for i in signers:
        devices[i]["revealed"] = b"".join(
            devices[j]["dealt"][0 if j in survivors else 1][neighbours[j].index(i)] for j in neighbours[i]
        )
    total = [sum(devices[i]["values"][j] for i in survivors) % 2 ** ROUND["bits"] for j in range(ROUND["length"])]
    # What each device of the sum says of it: from what the coordinator has of it when the sum is open, not from its values.
    aggregate = sha256(pack(total, ROUND["bits"]))
    subsets = stream(sha256(label("kiana sum check v1"), roster, claim, aggregate), 3 * ROUND["length"])
    said = []
    for i in survivors:
        device = devices[i]
        rest = [value - word for value, word in zip(device["masked"], device["selfMask"])]
        rest = [value - word for value, word in zip(rest, pair_mask(i, silent))]
        totals = [
            sum(value for at, value in enumerate(rest) if subsets[3 * at + check // 32] >> check % 32 & 1)
            for check in range(96)
        ]
        said.append(totals)
        device["totals"] = pack(totals, ROUND["bits"])
        device["confirmed"] = device["identity"].sign(
            label("kiana sum confirmed v1") + roster + claim + aggregate + device["totals"]
        )
    for check in range(96):
        of_sum = sum(value for at, value in enumerate(total) if subsets[3 * at + check // 32] >> check % 32 & 1)
        assert (sum(totals[check] for totals in said) - of_sum) % 2 ** ROUND["bits"] == 0
    return {
        "round": ROUND,
        "roundHash": the_round.hex(),
        "silent": silent,
        "late": late,
        "devices": [
            {
                "identity": device["seed"].hex(),
                "device": device["id"],
                "draws": [
                    value.hex()
                    for value in [drawn("mask", i), drawn("share", i), device["b"], *device["coefficients"][0], *device["coefficients"][1]]
                ],
                "values": device["values"],
                "advertised": device["advertised"].hex(),
                "proof": merkle_path(leaves, i).hex(),
                "sealed": device["sealed"].hex(),
                "seedCommitment": device["commitment"].hex(),
                "dealt": device["signedShares"].hex(),
                "packed": device["packed"].hex() if i != silent else None,
                "inputProof": merkle_path(inputs, survivors.index(i)).hex() if i != silent else None,
                "signed": device["signed"].hex() if i not in (silent, late) else None,
                "revealed": device["revealed"].hex() if i in signers else None,
                "totals": device["totals"].hex() if i != silent else None,
                "confirmed": device["confirmed"].hex() if i != silent else None,
            }
            for i, device in enumerate(devices)
        ],
        "root": root.hex(),
        "rosterHash": roster.hex(),
        "survivors": bitmap(survivors, n).hex(),
        "inputsRoot": merkle(inputs).hex(),
        "signers": bitmap(signers, n).hex(),
        "signatures": b"".join(devices[i]["signed"] for i in signers).hex(),
        "sum": total,
        "aggregate": aggregate.hex(),
    }


def ring():
    seed = sha256(label("kiana sum graph v1"), sha256(b"roster"))
    return {"roster": sha256(b"roster").hex(), "devices": 100, "order": shuffled(seed, 100)}


def shares():
    coefficients = [drawn("coefficient", c) for c in range(1, 46)]
    secret = drawn("secret")
    dealt = split(secret, 46, 255, coefficients)
    return {
        "secret": secret.hex(),
        "coefficients": [value.hex() for value in coefficients],
        "shares": {str(x): dealt[x - 1].hex() for x in (1, 2, 3, 127, 128, 200, 254, 255)},
    }


def shapes():
    loose = (50, 300, 20, 10)
    strict = tuple(ASSUMPTIONS.values())
    rows = [(n, *strict) for n in (3, 4, 5, 10, 60, 100, 128, 255, 300, 1000, 1024, 5000, 20000)]
    rows += [(n, *loose) for n in (10, 28, 50, 200)]
    rows += [(n, 200, 300, 40, 20) for n in (200, 1024)] + [(20000, 200, 333, 60, 20)]
    return [{"assumptions": row[1:], "devices": row[0], "shape": shape(*row)} for row in rows]


built = {"play": play(), "ring": ring(), "shamir": shares(), "shapes": shapes()}
text = json.dumps(built, indent=1) + "\n"
if not FILE.exists():
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text, encoding="utf-8")
    print(f"wrote {FILE.name}")
elif json.loads(FILE.read_text(encoding="utf-8")) != json.loads(text):
    sys.exit(f"{FILE.name} differs from what its description gives")
else:
    print("as described")
