#!/usr/bin/env python3
"""Rebuilds tests/fixtures/mailbox/mailbox.json from its seeds and plain values with code that shares nothing with ours: cbor2, PyNaCl
and cryptography from PyPI.

Run by hand:  pip install cbor2 pynacl cryptography && python3 tests/oracles/mailbox_oracle.py
Prints one line per vector; ends with status 1 at the first difference.
"""

import base64
import hashlib
import json
import math
import pathlib
import re

import cbor2
import nacl.bindings
import nacl.public
import nacl.signing
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PART_BYTES = 256 * 1024
TAG_BYTES = 16

root = pathlib.Path(__file__).resolve().parent.parent
vectors = json.loads((root / "fixtures" / "mailbox" / "mailbox.json").read_text(encoding="utf-8"))
unhex = bytes.fromhex


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def cbor(value):
    return cbor2.dumps(value, canonical=True)


def key_of(device_id):
    return base64.b32decode(device_id.upper() + "====")


def same(name, got, expected):
    assert got.hex() == expected, f"{name}: {got.hex()} is not {expected}"
    print(f"ok {name}")


def subkey(seed, label):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=label).derive(seed)


boxes = {}
for name, device in vectors["devices"].items():
    seed = unhex(device["seed"])
    identity = nacl.signing.SigningKey(seed)
    same(f"{name} identity", bytes(identity.verify_key), device["identity"])
    assert base64.b32encode(bytes(identity.verify_key)).decode().rstrip("=").lower() == device["id"]
    boxes[name] = nacl.public.PrivateKey(subkey(seed, b"kiana box key v1"))
    same(f"{name} box key", bytes(boxes[name].public_key), device["box"])
    broker = nacl.signing.SigningKey(subkey(seed, b"kiana broker key v1"))
    same(f"{name} broker key", bytes(broker.verify_key), device["broker"])

mesh = unhex(vectors["mesh"])
alice, bob = (key_of(vectors["devices"][name]["id"]) for name in ("alice", "bob"))
low, high = sorted([vectors["devices"][name]["id"] for name in ("alice", "bob")])
same(
    "direct conversation",
    sha256(b"kiana direct conversation v1\0", mesh, key_of(low), key_of(high))[:16],
    vectors["directConversation"],
)

attachment = vectors["attachment"]
count, byte = re.fullmatch(r"(\d+) times ([0-9a-f]{2})", attachment["body"]).groups()
body = unhex(byte) * int(count)
plain = PART_BYTES - TAG_BYTES
pieces = [body[i:i + plain] for i in range(0, len(body), plain)] or [b""]
cipher = ChaCha20Poly1305(unhex(attachment["key"]))
ciphertext = b"".join(
    cipher.encrypt(
        index.to_bytes(11, "big") + bytes([index == len(pieces) - 1]),
        piece,
        b"kiana attachment v1",
    )
    for index, piece in enumerate(pieces)
)
assert (len(body), len(pieces)) == (attachment["bytes"], attachment["parts"])
same("attachment", sha256(ciphertext), attachment["blob"])


nonce = unhex(vectors["statements"][0]["origin"])
same(
    "group conversation",
    sha256(b"kiana group conversation v1\0", mesh, alice, nonce)[:16],
    vectors["statements"][0]["conversation"],
)
signers = {
    device["id"]: nacl.signing.SigningKey(unhex(device["seed"]))
    for device in vectors["devices"].values()
}
signed_statements = []
for statement in vectors["statements"]:
    origin = unhex(statement["origin"]) if not signed_statements else sha256(signed_statements[-1][0])
    statement_body = cbor([
        1, unhex(statement["conversation"]), statement["version"], statement["title"],
        [key_of(one) for one in statement["members"]], key_of(statement["leader"]),
        statement["incarnation"], origin,
    ])
    same("statement id", sha256(statement_body), statement["id"])
    signature = signers[statement["leader"]].sign(
        b"kiana conversation v1\0" + mesh + sha256(statement_body)
    ).signature
    signed_statements.append((statement_body, signature))


def content_list(content):
    kind = content["type"]
    if kind == "message":
        return [
            kind, unhex(content["conversation"]), unhex(content["message"]), content["number"],
            content["clock"], content["timeMs"], content["expiresAtMs"], content["text"],
            [
                [one["name"], one["mediaType"], one["bytes"], unhex(one["blob"]), unhex(one["key"]), one["parts"]]
                for one in content["attachments"]
            ],
        ]
    if kind == "receipt":
        return [
            kind, unhex(content["conversation"]), content["state"],
            [unhex(one) for one in content["messages"]],
        ]
    if kind == "part":
        return [kind, unhex(content["blob"]), content["index"], content["count"], unhex(content["bytes"])]
    if kind == "conversation":
        return [
            kind, unhex(content["conversation"]), content["version"], content["title"],
            [key_of(one) for one in content["members"]], key_of(content["leader"]),
        ]
    if kind == "statements":
        for one, (statement_body, signature) in zip(content["statements"], signed_statements, strict=True):
            assert one == {"body": statement_body.hex(), "signature": signature.hex()}
        return [kind, unhex(content["conversation"]), [list(one) for one in signed_statements]]
    assert kind == "group"
    return [kind, unhex(content["conversation"]), content["kind"], content["epoch"], unhex(content["bytes"])]


encoded = {}
for vector in vectors["contents"]:
    encoded[vector["name"]] = cbor(content_list(vector["content"]))
    same(f"content: {vector['name']}", encoded[vector["name"]], vector["encoded"])


def padded_length(length):
    """Padmé, algorithm 1 of the paper, with its own names."""
    if length <= 128:
        return 128
    e = math.floor(math.log2(length))
    s = math.floor(math.log2(e)) + 1
    last_bits = e - s
    mask = (1 << last_bits) - 1
    return (length + mask) & ~mask


binding = sha256(b"kiana box v1\0", mesh, alice, bob)
signer = nacl.signing.SigningKey(unhex(vectors["devices"]["alice"]["seed"]))
for number, vector in enumerate(vectors["parcels"], 1):
    inside = binding + encoded[vector["name"]] + b"\x80"
    inside += bytes(padded_length(len(inside)) - len(inside))
    nonce = bytes((vector["nonceFrom"] + i) % 256 for i in range(24))
    box = nacl.public.Box(boxes["alice"], boxes["bob"].public_key).encrypt(inside, nonce)
    sealed = bytes(box)
    header = cbor([
        1, mesh, alice, bob, number, unhex(vector["series"]), vector["timeMs"],
        vector["timeMs"] + 86_400_000, sha256(sealed), len(sealed),
    ])
    same(f"parcel id: {vector['name']}", sha256(header), vector["id"])
    signature = signer.sign(b"kiana parcel v1\0" + sha256(header)).signature
    same(f"parcel: {vector['name']}", cbor([header, signature, sealed]), vector["parcel"])
    opened = nacl.public.Box(boxes["bob"], boxes["alice"].public_key).decrypt(sealed)
    assert opened == inside

for vector in vectors["messages"]:
    message = vector["message"]
    kind = message["type"]
    if kind == "deposit":
        value = [kind, [unhex(one) for one in message["parcels"]]]
    elif kind == "refused":
        value = [kind, unhex(message["id"]), message["reason"]]
    else:
        value = [kind, [unhex(one) for one in message["ids"]]]
    same(f"message: {kind}", cbor(value), vector["encoded"])

fields = vectors["deviceKeys"]["fields"]
same(
    "device keys",
    cbor({
        "version": 1,
        "boxKey": unhex(fields["boxKey"]),
        "brokerKey": unhex(fields["brokerKey"]),
        "keyPackages": [unhex(one) for one in fields["keyPackages"]],
    }),
    vectors["deviceKeys"]["encoded"],
)
