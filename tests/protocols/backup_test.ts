import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import fc from "fast-check";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { pureCrypto } from "../../platform/pure_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { firstPieceBytes, piecesOf } from "../../protocols/backup/cut.ts";
import {
  isBackupPath,
  isDeviceName,
  PIECE_BYTES_MAX,
  PIECE_BYTES_MIN,
} from "../../protocols/backup/format.ts";
import { keysOf, openPiece, sealPiece, secretOf } from "../../protocols/backup/keys.ts";
import {
  decodeIndex,
  decodeVersion,
  encodeIndex,
  encodeVersion,
  openRoot,
} from "../../protocols/backup/wire.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import vector from "../fixtures/backup/vector.json" with { type: "json" };

const crypto = nodeCrypto({ workersMax: 0 });
const KDF = { n: 2 ** 14, r: 8, p: 1, salt: new Uint8Array(16).fill(7) };
const keys = keysOf(crypto, new Uint8Array(32).fill(3));
const signer = nodeSigner(new Uint8Array(32).fill(1));

function noise(length: number, seed: string): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed);
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) {
    out.set(random.bytes(Math.min(65_536, length - at)), at);
  }
  return out;
}

function* inReads(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function cut(bytes: Uint8Array, readBytes = 65_536): Promise<Uint8Array[]> {
  const stream = ReadableStream.from(inReads(bytes, readBytes));
  return await Array.fromAsync(piecesOf(stream, keys.gear));
}

Deno.test("the documented vector holds, with either library", () => {
  const hex = Uint8Array.fromHex;
  for (const library of [crypto, pureCrypto()]) {
    const secret = secretOf(vector.passphrase, { ...KDF, salt: hex(vector.salt) });
    assert.equal(secret.toHex(), vector.secret);
    const foreign = scryptSync(vector.passphrase, hex(vector.salt), 32, {
      N: vector.n,
      r: 8,
      p: 1,
    });
    assert.equal(foreign.toString("hex"), vector.secret, "OpenSSL says so, too");
    const made = keysOf(library, secret);
    assert.equal(made.check.toHex(), vector.check);
    assert.equal(made.gear[0], vector.gear0);
    const { reference, sealed } = sealPiece(library, made, new TextEncoder().encode(vector.plain));
    assert.equal(reference.tag.toHex(), vector.tag);
    assert.equal(sealed.toHex(), vector.sealed);
    assert.equal(reference.name, vector.name);
    const version = decodeVersion(library, hex(vector.version));
    assert(version.ok, JSON.stringify(version));
    assert.deepEqual(version.message.names, [vector.name]);
    assert.deepEqual(openRoot(library, made, version.message)?.index, [reference]);
  }
});

Deno.test("the same passphrase is the same however it was typed", () => {
  const one = secretOf("Schöne  Grüße ", KDF);
  assert.deepEqual(secretOf("Scho\u0308ne Gru\u0308ße", KDF), one);
  assert.notDeepEqual(secretOf("schöne Grüße", KDF), one);
});

Deno.test("costs that would not protect, or would take all memory, are refused", () => {
  for (const wrong of [{ n: 2 ** 13 }, { n: 2 ** 21 }, { n: 20_000 }, { r: 1 }, { p: 2 }]) {
    assert.throws(() => secretOf("x", { ...KDF, ...wrong }), RangeError);
  }
});

Deno.test("pieces put together are the content, within their bounds, however it was read", async () => {
  const content = noise(9_000_000, "content");
  const pieces = await cut(content);
  assert.deepEqual(new Uint8Array(await new Blob(pieces as never).arrayBuffer()), content);
  for (const piece of pieces.slice(0, -1)) {
    assert(piece.length >= PIECE_BYTES_MIN && piece.length <= PIECE_BYTES_MAX, `${piece.length}`);
  }
  const lengths = pieces.map(({ length }) => length);
  for (const size of [1_000_003, 9_000_000]) {
    assert.deepEqual((await cut(content, size)).map(({ length }) => length), lengths);
  }
  assert.deepEqual(await cut(new Uint8Array(0)), []);
  assert.equal(firstPieceBytes(new Uint8Array(8_000_000), keys.gear), PIECE_BYTES_MAX);
});

Deno.test("what is inserted changes the pieces around it and no others", async () => {
  const content = noise(12_000_000, "before");
  const changed = new Uint8Array(content.length + 1_000);
  changed.set(content.subarray(0, 3_000_000));
  changed.set(noise(1_000, "inserted"), 3_000_000);
  changed.set(content.subarray(3_000_000), 3_001_000);
  const names = async (bytes: Uint8Array) =>
    (await cut(bytes)).map((piece) => sealPiece(crypto, keys, piece).reference.name);
  const before = new Set(await names(content));
  const fresh = (await names(changed)).filter((name) => !before.has(name));
  assert(before.size >= 6, `${before.size}`);
  assert(fresh.length <= 3, `${fresh.length} of ${before.size} pieces changed`);
});

Deno.test("a piece that was changed, shortened or swapped does not open", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (plain, place, change) => {
        const { reference, sealed } = sealPiece(crypto, keys, plain);
        assert.deepEqual(openPiece(crypto, keys, { reference, sealed }), plain);
        const damaged = sealed.slice();
        damaged[place % damaged.length]! ^= change;
        assert.equal(openPiece(crypto, keys, { reference, sealed: damaged }), undefined);
        // A keeper that also changes the name in what it tells gets no further: the tag does not fit.
        const name = crypto.sha256Hex(damaged) as ContentHash;
        const renamed = { reference: { ...reference, name }, sealed: damaged };
        assert.equal(openPiece(crypto, keys, renamed), undefined);
        const elsewhere = { ...reference, name: "0".repeat(64) as ContentHash };
        assert.equal(openPiece(crypto, keys, { reference: elsewhere, sealed }), undefined);
        const longer = { ...reference, bytes: reference.bytes + 1 };
        assert.equal(openPiece(crypto, keys, { reference: longer, sealed }), undefined);
        const other = keysOf(crypto, new Uint8Array(32).fill(4));
        assert.equal(openPiece(crypto, other, { reference, sealed }), undefined);
      },
    ),
    { seed: 20_261_121, numRuns: 200 },
  );
});

function version() {
  const { reference } = sealPiece(crypto, keys, new Uint8Array([1, 2, 3]));
  const open = {
    version: 1 as const,
    device: signer.publicKey,
    kdf: KDF,
    check: keys.check,
    timeMs: 1_795_000_000_000,
    bytes: 3,
    files: 1,
    names: [reference.name],
  };
  const root = { indexBytes: 3, index: [reference] };
  const parts = { crypto, random: seededRandom("version"), signer, keys };
  return { reference, encoded: encodeVersion(parts, open, root), open, root };
}

Deno.test("a version is read by its keeper, and its root by nobody without the passphrase", () => {
  const { encoded, root } = version();
  const decoded = decodeVersion(crypto, encoded);
  assert(decoded.ok);
  assert.deepEqual(openRoot(crypto, keys, decoded.message), root);
  const other = keysOf(crypto, new Uint8Array(32).fill(4));
  assert.equal(openRoot(crypto, other, decoded.message), undefined);
  const edited = { ...decoded.message, timeMs: 5 };
  assert.equal(openRoot(crypto, keys, edited), undefined, "everything is bound to the root");
});

Deno.test("no byte of a version can be changed unnoticed, and no bytes whatever make the reader throw", () => {
  const { encoded } = version();
  for (let i = 0; i < encoded.length; i++) {
    const changed = encoded.slice();
    changed[i]! ^= 0x41;
    assert.equal(decodeVersion(crypto, changed).ok, false, `byte ${i}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      assert.equal(decodeVersion(crypto, bytes).ok, false);
      assert.equal(typeof decodeIndex(bytes).ok, "boolean");
    }),
    { seed: 20_261_121, numRuns: 500 },
  );
});

Deno.test("an index with paths that lead elsewhere or sizes that do not add up is refused", () => {
  const { reference } = version();
  const file = {
    path: "node.db",
    bytes: 3,
    sha256: "a".repeat(64) as ContentHash,
    pieces: [reference],
  };
  assert.deepEqual(decodeIndex(encodeIndex([file])), { ok: true, message: [file] });
  for (
    const files of [
      [{ ...file, path: "../node.db" }],
      [{ ...file, path: "keys/../../x" }],
      [{ ...file, bytes: 4 }],
      [{ ...file, pieces: [] }],
      [file, file],
      [{ ...file, bytes: 0, pieces: [{ ...reference, bytes: 0 }] }],
    ]
  ) assert.equal(decodeIndex(encodeIndex(files)).ok, false, JSON.stringify(files[0]?.path));
});

Deno.test("paths and names that could leave their folder are none", () => {
  for (const path of ["keys/.x", "/node.db", "blobs/aa/../x", "keys/a/b/c/d", "node.db/", ""]) {
    assert.equal(isBackupPath(path), false, path);
  }
  for (const name of ["..", ".", "a/b", "A", "", "a..b", "-a", "a.", "a\u0000", "x".repeat(65)]) {
    assert.equal(isDeviceName(name), false, name);
  }
  for (const name of ["laptop", "anna.phone-2", "a"]) assert.equal(isDeviceName(name), true);
});
