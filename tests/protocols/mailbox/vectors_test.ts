/**
 * The golden vectors of `docs/protocols/mailbox.md` and `keys.md`. They were rebuilt byte by byte by other code
 * (`tests/oracles/mailbox_oracle.py`); here our own code must give and accept exactly these bytes.
 */
import assert from "node:assert/strict";
import nacl from "tweetnacl";
import { nodeIdentity } from "../../../platform/identity_subkeys.ts";
import { deviceIdOf, type MeshId } from "../../../protocols/ids.ts";
import { decodeDeviceKeys, encodeDeviceKeys } from "../../../protocols/keys/device_keys.ts";
import { sealAttachment } from "../../../protocols/mailbox/attachments.ts";
import { decodeContent, encodeContent } from "../../../protocols/mailbox/content_wire.ts";
import { directConversation } from "../../../protocols/mailbox/conversations.ts";
import {
  decodeParcel,
  encodeParcel,
  signedMessageOfParcel,
} from "../../../protocols/mailbox/parcel_wire.ts";
import { openContent } from "../../../protocols/mailbox/seal.ts";
import { decodeMailboxMessage, encodeMailboxMessage } from "../../../protocols/mailbox/wire.ts";
import vectors from "../../fixtures/mailbox/mailbox.json" with { type: "json" };
import { crypto } from "./support.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const mesh = vectors.mesh as MeshId;
const alice = nodeIdentity(hex(vectors.devices.alice.seed));
const bob = nodeIdentity(hex(vectors.devices.bob.seed));
const [aliceId, bobId] = [deviceIdOf(alice.publicKey), deviceIdOf(bob.publicKey)];

/** A value with its bytes as hex, as the vectors have it. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

Deno.test("vectors: the keys of a device follow from its seed", () => {
  for (const [name, identity] of Object.entries({ alice, bob })) {
    const expected = vectors.devices[name as "alice" | "bob"];
    assert.equal(deviceIdOf(identity.publicKey), expected.id);
    assert.equal(identity.publicKey.toHex(), expected.identity);
    assert.equal(identity.sealer.publicKey.toHex(), expected.box);
    assert.equal(identity.broker.publicKey.toHex(), expected.broker);
  }
  assert.equal(directConversation(crypto, mesh, bobId, aliceId), vectors.directConversation);
});

Deno.test("vectors: contents", () => {
  for (const { name, content, encoded } of vectors.contents) {
    const decoded = decodeContent(hex(encoded));
    assert.ok(decoded.ok, `${name}: ${JSON.stringify(decoded)}`);
    assert.deepEqual(plain(decoded.message), content, name);
    assert.equal(encodeContent(decoded.message).toHex(), encoded, name);
  }
});

Deno.test("vectors: parcels", () => {
  for (const [i, vector] of vectors.parcels.entries()) {
    const decoded = decodeParcel(hex(vector.parcel), crypto);
    assert.ok(decoded.ok, `${vector.name}: ${JSON.stringify(decoded)}`);
    const { id, header, sealed } = decoded.message;
    assert.equal(id, vector.id);
    assert.deepEqual([header.from, header.to, header.number], [aliceId, bobId, i + 1]);
    assert.equal(encodeParcel(decoded.message).toHex(), vector.parcel);
    const signed = signedMessageOfParcel(decoded.message);
    assert.ok(crypto.verify(signed));
    assert.ok(nacl.sign.detached.verify(signed.message, signed.signature, signed.publicKey));
    const address = { mesh, from: aliceId, to: bobId };
    const opened = openContent(sealed, address, {
      sealer: bob.sealer,
      otherKey: alice.sealer.publicKey,
      crypto,
    });
    assert.ok(opened.ok);
    assert.equal(encodeContent(opened.message).toHex(), vectors.contents[i]!.encoded);
  }
});

Deno.test("vectors: messages about parcels", () => {
  for (const { message, encoded } of vectors.messages) {
    const decoded = decodeMailboxMessage(hex(encoded));
    assert.ok(decoded.ok, JSON.stringify(decoded));
    assert.deepEqual(plain(decoded.message), message);
    assert.equal(encodeMailboxMessage(decoded.message).toHex(), encoded);
  }
});

Deno.test("vectors: an attachment", () => {
  const { key, blob, parts, bytes } = vectors.attachment;
  const random = {
    bytes: () => new Uint8Array(hex(key)),
    uint32: () => 0,
    below: () => 0,
    float: () => 0,
    fork: () => random,
  };
  const sealed = sealAttachment(new Uint8Array(bytes).fill(0x61), { crypto, random });
  assert.deepEqual([sealed.blob, sealed.parts], [blob, parts]);
});

Deno.test("vectors: the body of a keys block", () => {
  const { fields, encoded } = vectors.deviceKeys;
  const decoded = decodeDeviceKeys(hex(encoded));
  assert.ok(decoded.ok, JSON.stringify(decoded));
  assert.deepEqual(plain(decoded.message), fields);
  assert.equal(encodeDeviceKeys(decoded.message).toHex(), encoded);
});

/** The hex of the examples in a page, without comments and spaces. */
async function examplesOf(page: string): Promise<readonly string[]> {
  const url = new URL(`../../../docs/protocols/${page}`, import.meta.url);
  const text = await Deno.readTextFile(url);
  return [...text.matchAll(/```hex\n(.*?)```/gs)].map(([, example]) =>
    example!.replaceAll(/;.*$/gm, "").replaceAll(/\s/g, "")
  );
}

Deno.test("vectors: the examples in the pages are these", async () => {
  const receipt = vectors.contents.findIndex(({ name }) => name === "receipt");
  assert.deepEqual(await examplesOf("mailbox.md"), [
    vectors.parcels[receipt]!.parcel,
    vectors.contents[receipt]!.encoded + "80",
  ]);
  assert.deepEqual(await examplesOf("keys.md"), [vectors.deviceKeys.encoded]);
  const keys = await Deno.readTextFile(
    new URL("../../../docs/protocols/keys.md", import.meta.url),
  );
  for (const value of Object.values(vectors.devices.alice).slice(1)) {
    assert.ok(keys.includes(value), value);
  }
});
