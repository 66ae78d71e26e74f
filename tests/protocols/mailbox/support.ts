/** Devices, contents and parcels for the tests of the mailbox protocol. */
import fc from "fast-check";
import { nodeIdentity } from "../../../platform/identity_subkeys.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type ContentHash, deviceIdOf, type MeshId } from "../../../protocols/ids.ts";
import { PART_PLAIN_BYTES, partsOf } from "../../../protocols/mailbox/attachments.ts";
import type { Content, ConversationId, MessageId } from "../../../protocols/mailbox/content.ts";
import type { Parcel } from "../../../protocols/mailbox/parcel.ts";
import { createParcel, type NewParcel } from "../../../protocols/mailbox/parcel_wire.ts";
import { sealContent } from "../../../protocols/mailbox/seal.ts";

export const crypto = nodeCrypto({ workersMax: 0 });
export const random = seededRandom("mailbox tests");
export const mesh = "4d".repeat(32) as MeshId;

function device(number: number) {
  const identity = nodeIdentity(new Uint8Array(32).fill(number));
  return { ...identity, id: deviceIdOf(identity.publicKey) };
}
export const [alice, bob, carla] = [device(1), device(2), device(3)];

export const receipt: Content = {
  type: "receipt",
  conversation: "11".repeat(16) as ConversationId,
  state: "read",
  messages: ["22".repeat(16) as MessageId],
};

/** From alice to bob, with whatever is different. */
export function parcel(changes: Partial<NewParcel> & { readonly content?: Content } = {}): Parcel {
  const { content = receipt, ...rest } = changes;
  return createParcel({
    mesh,
    to: bob.id,
    number: 1,
    series: new Uint8Array(8),
    timeMs: 1_000,
    expiresAtMs: 2_000,
    sealed: sealContent(content, { mesh, from: alice.id, to: bob.id }, {
      sealer: alice.sealer,
      otherKey: bob.sealer.publicKey,
      crypto,
      random,
    }),
    signer: alice,
    crypto,
    ...rest,
  });
}

/** Objects as our decoders make them. */
const plainRecord: typeof fc.record =
  ((model: Record<string, fc.Arbitrary<unknown>>) =>
    fc.record(model, { noNullPrototype: true })) as typeof fc.record;
const id16 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytes.toHex());
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) =>
  bytes.toHex() as ContentHash
);
const deviceId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(deviceIdOf);
const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const timeMs = fc.integer({ min: 0, max: 253_402_300_799_999 });
const text = fc.string({ unit: "grapheme", maxLength: 40 }).filter((value) =>
  value.charCodeAt(0) !== 0xfeff
);
const attachment = plainRecord({
  name: fc.constantFrom("a", "photo 1.jpg", "Übung.pdf", "…"),
  mediaType: fc.constantFrom("text/plain", "application/vnd.kiana.x+cbor"),
  bytes: fc.integer({ min: 0, max: 5 * PART_PLAIN_BYTES }),
  blob: hash,
  key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
}).map((fields) => ({ ...fields, parts: partsOf(fields.bytes) }));

/** Any content that others take. */
export const anyContent = fc.oneof(
  plainRecord({
    type: fc.constant("message" as const),
    conversation: id16 as fc.Arbitrary<ConversationId>,
    message: id16 as fc.Arbitrary<MessageId>,
    number: sequence,
    clock: sequence,
    timeMs,
    expiresAtMs: fc.option(timeMs, { nil: null }),
    text,
    attachments: fc.array(attachment, { maxLength: 4 }),
  }).filter((content) => content.text !== "" || content.attachments.length > 0),
  plainRecord({
    type: fc.constant("receipt" as const),
    conversation: id16 as fc.Arbitrary<ConversationId>,
    state: fc.constantFrom("delivered" as const, "read" as const),
    messages: fc.array(id16 as fc.Arbitrary<MessageId>, { minLength: 1, maxLength: 9 }),
  }),
  plainRecord({
    type: fc.constant("part" as const),
    blob: hash,
    index: fc.nat(9),
    count: fc.integer({ min: 10, max: 20 }),
    bytes: fc.uint8Array({ maxLength: 300 }),
  }),
  fc.tuple(
    fc.uniqueArray(deviceId, { minLength: 2, maxLength: 9 }),
    fc.nat(),
    id16 as fc.Arbitrary<ConversationId>,
    sequence,
  ).map(([members, leader, conversation, version]) => ({
    type: "conversation" as const,
    conversation,
    version,
    title: "Küche",
    members: members.toSorted(),
    leader: members[leader % members.length]!,
  })),
  plainRecord({
    type: fc.constant("statements" as const),
    conversation: id16 as fc.Arbitrary<ConversationId>,
    statements: fc.array(
      plainRecord({
        body: fc.uint8Array({ maxLength: 300 }),
        signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  plainRecord({
    type: fc.constant("group" as const),
    conversation: id16 as fc.Arbitrary<ConversationId>,
    kind: fc.constantFrom("welcome", "commit", "application", "proposal", "rejoin"),
    epoch: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    bytes: fc.uint8Array({ maxLength: 300 }),
  }),
) as fc.Arbitrary<Content>;

/** Bytes made from `valid` by cutting, flipping a bit, adding, or putting a huge length somewhere; or any bytes. */
export function broken(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const one = fc.constantFrom(...valid);
  const huge = new Uint8Array([0x5b, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]);
  return fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(one, fc.nat()).map(([bytes, end]) => bytes.slice(0, end % bytes.length)),
    fc.tuple(one, fc.nat(), fc.nat(7)).map(([bytes, at, bit]) =>
      bytes.with(at % bytes.length, bytes[at % bytes.length]! ^ (1 << bit))
    ),
    fc.tuple(one, fc.uint8Array({ minLength: 1, maxLength: 9 })).map(([bytes, more]) =>
      new Uint8Array([...bytes, ...more])
    ),
    fc.tuple(one, fc.nat()).map(([bytes, at]) => {
      const place = at % bytes.length;
      return new Uint8Array([...bytes.slice(0, place), ...huge, ...bytes.slice(place)]);
    }),
  );
}
