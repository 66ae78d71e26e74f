/**
 * The golden vectors and the example in `docs/protocols/blocks.md`, checked without our encoder: bytes laid out by hand here, hashes, keys and
 * signatures from node:crypto. Then our own code must give and accept exactly these bytes.
 */
import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { chunksOf } from "../../protocols/blocks/body.ts";
import { decodeBlock } from "../../protocols/blocks/decode.ts";
import { encodeBlock, encodeHeader } from "../../protocols/blocks/encode.ts";
import { decodeFounding, decodeStatement } from "../../protocols/registry/statement.ts";
import vectors from "../fixtures/blocks/blocks.json" with { type: "json" };
import { testCrypto } from "./blocks_support.ts";

type Vector = typeof vectors.blocks[number];

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Key of an author id: RFC 4648 base32 by the definition, bit by bit. */
function keyOf(id: string): string {
  let bits = "";
  for (const letter of id) bits += BASE32.indexOf(letter).toString(2).padStart(5, "0");
  let hex = "";
  for (let i = 0; i < 256; i += 4) hex += parseInt(bits.slice(i, i + 4), 2).toString(16);
  return hex;
}

function head(major: number, argument: number): string {
  const hex = argument.toString(16);
  const initial = (info: number) => (major * 32 + info).toString(16).padStart(2, "0");
  if (argument < 24) return initial(argument);
  if (argument < 256) return initial(24) + hex.padStart(2, "0");
  if (argument < 65_536) return initial(25) + hex.padStart(4, "0");
  if (argument < 4_294_967_296) return initial(26) + hex.padStart(8, "0");
  return initial(27) + hex.padStart(16, "0");
}

const bytes = (hex: string | null) => hex === null ? "f6" : head(2, hex.length / 2) + hex;
const text = (value: string) => {
  const hex = Buffer.from(value, "utf8").toString("hex");
  return head(3, hex.length / 2) + hex;
};

function headerByHand({ header }: Vector): string {
  return [
    "8e",
    "01",
    bytes(header.mesh),
    bytes(keyOf(header.author)),
    head(0, header.sequence),
    bytes(header.previous),
    head(4, header.parents.length) + header.parents.map(bytes).join(""),
    text(header.kind),
    bytes(header.target),
    text(header.topic),
    head(4, header.tags.length) + header.tags.map(text).join(""),
    text(header.mediaType),
    head(0, header.timeMs),
    head(0, header.bodyBytes),
    bytes(header.payloadHash),
  ].join("");
}

const sha256 = (hex: string) => createHash("sha256").update(hex, "hex").digest("hex");

function payloadByHand({ body }: Vector): string {
  const repeated = /^(\d+) times ([0-9a-f]{2})$/.exec(body);
  if (repeated === null) return body;
  const all = Buffer.alloc(Number(repeated[1]), parseInt(repeated[2]!, 16));
  let hashes = "";
  for (let start = 0; start < all.length; start += 262_144) {
    hashes += createHash("sha256").update(all.subarray(start, start + 262_144)).digest("hex");
  }
  return hashes;
}

const secret = createPrivateKey({
  key: Buffer.from("302e020100300506032b657004220420" + vectors.secretKey, "hex"),
  format: "der",
  type: "pkcs8",
});

Deno.test("the vectors have the bytes that the documented layout gives", () => {
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" }).toString("hex");
  assert.equal(spki.slice(-64), vectors.publicKey);
  assert.equal(keyOf(vectors.author), vectors.publicKey);
  for (const vector of vectors.blocks) {
    const header = headerByHand(vector);
    const payload = payloadByHand(vector);
    assert.equal(sha256(payload), vector.header.payloadHash, vector.name);
    assert.equal(sha256(header), vector.id, vector.name);
    const message = Buffer.concat([
      Buffer.from("kiana block v1\0", "latin1"),
      Buffer.from(vector.id, "hex"),
    ]);
    const signature = sign(null, message, secret).toString("hex");
    assert.equal(
      vector.block,
      "83" + bytes(header) + bytes(signature) + bytes(payload),
      vector.name,
    );
  }
});

Deno.test("our decoder reads the vectors, and our encoder writes them", () => {
  for (const vector of vectors.blocks) {
    const decoded = decodeBlock(Uint8Array.fromHex(vector.block), testCrypto);
    assert.ok(decoded.ok, vector.name);
    const { block } = decoded;
    assert.equal(block.id, vector.id);
    assert.deepEqual(block.header, vector.header);
    assert.equal(encodeHeader(block.header).toHex(), block.headerBytes.toHex());
    assert.equal(encodeBlock(block).toHex(), vector.block);
  }
});

Deno.test("the vectors hold what they were made from: statements and chunks", () => {
  const payloadOf = (name: string) => {
    const vector = vectors.blocks.find((one) => one.name === name)!;
    const decoded = decodeBlock(Uint8Array.fromHex(vector.block), testCrypto);
    assert.ok(decoded.ok && decoded.block.payload !== null);
    return { header: decoded.block.header, payload: decoded.block.payload };
  };
  const founding = decodeFounding(payloadOf("founding").payload);
  assert.ok(founding.ok);
  assert.equal(founding.statement.displayName, "Kitchen");
  assert.equal(founding.statement.salt.toHex(), "a5".repeat(16));
  const member = decodeStatement(payloadOf("member").payload);
  assert.ok(member.ok && member.statement.action === "add");
  assert.deepEqual(member.statement.permissions, ["blocks.read", "messages.send"]);
  const large = payloadOf("large");
  assert.deepEqual(chunksOf(large.header, large.payload).map((one) => one.bytes), [
    262_144,
    37_856,
  ]);
});

Deno.test("the example in the documentation is the vector it says, byte by byte", () => {
  const doc = Deno.readTextFileSync(new URL("../../docs/protocols/blocks.md", import.meta.url));
  const example = /```hex\n([\s\S]*?)```/.exec(doc)?.[1];
  assert.ok(example !== undefined, "the documentation has no example");
  const hex = example.split("\n").map((line) => line.replace(/;.*/, "").replace(/\s/g, "")).join(
    "",
  );
  const put = vectors.blocks.find((one) => one.name === "put")!;
  assert.equal(hex, put.block);
  assert.ok(doc.includes(put.id), "the documentation does not name the block id");
  const key = createPublicKey({
    key: Buffer.from("302a300506032b6570032100" + vectors.publicKey, "hex"),
    format: "der",
    type: "spki",
  });
  const message = Buffer.from("kiana block v1\0", "latin1").toString("hex") + put.id;
  assert.ok(doc.includes(message.slice(0, 30)), "the documentation does not show what is signed");
  const decoded = decodeBlock(Uint8Array.fromHex(hex), testCrypto);
  assert.ok(decoded.ok);
  assert.ok(verify(null, Buffer.from(message, "hex"), key, decoded.block.signature));
});
