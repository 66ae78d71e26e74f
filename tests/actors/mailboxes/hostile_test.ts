/** Mailboxes beside peers and senders that break the rules: refused with a reason, bounded, and nothing of others lost. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeAttachments } from "../../../actors/mail_views.ts";
import type { MailLimits } from "../../../actors/mailboxes/limits.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { MeshId } from "../../../protocols/ids.ts";
import type {
  AttachmentReference,
  Content,
  ConversationId,
  MessageId,
} from "../../../protocols/mailbox/content.ts";
import { directConversation } from "../../../protocols/mailbox/conversations.ts";
import type { ParcelId } from "../../../protocols/mailbox/parcel.ts";
import { createParcel, encodeParcel } from "../../../protocols/mailbox/parcel_wire.ts";
import { sealContent } from "../../../protocols/mailbox/seal.ts";
import { crypto, MESH, opened, type Post, type PostOffice, together } from "./post_office.ts";

const NOW_MS = 1_700_000_000_000;
const DAY_MS = 24 * 60 * 60_000;
const random = seededRandom("hostile");

async function three(
  limits: Partial<MailLimits> = {},
): Promise<{ office: PostOffice; ada: Post; ben: Post; mallory: Post }> {
  const office = await together(["ada", "ben", "mallory"], limits);
  const [ada, ben, mallory] = office.posts as [Post, Post, Post];
  return { office, ada, ben, mallory };
}

interface Crafted {
  readonly number?: number;
  readonly mesh?: MeshId;
  readonly timeMs?: number;
  readonly expiresAtMs?: number;
  readonly series?: Uint8Array;
  readonly content?: Content;
}

/** A parcel as a device could make it if it kept to no rule. */
function craft(from: Post, to: Post, options: Crafted = {}): Uint8Array {
  const mesh = options.mesh ?? MESH;
  const conversation = directConversation(crypto, mesh, from.id, to.id);
  const content: Content = options.content ?? text(conversation, "crafted");
  const sealed = sealContent(content, { mesh, from: from.id, to: to.id }, {
    sealer: from.sealer,
    otherKey: to.sealer.publicKey,
    crypto,
    random,
  });
  return encodeParcel(createParcel({
    mesh,
    to: to.id,
    number: options.number ?? 1,
    series: options.series ?? random.bytes(8),
    timeMs: options.timeMs ?? NOW_MS,
    expiresAtMs: options.expiresAtMs ?? (options.timeMs ?? NOW_MS) + DAY_MS,
    sealed,
    signer: from.signer,
    crypto,
  }));
}

function text(
  conversation: ConversationId,
  words: string,
  attachments: readonly AttachmentReference[] = [],
): Content {
  return {
    type: "message",
    conversation,
    message: random.bytes(16).toHex() as MessageId,
    number: 1,
    clock: 1,
    timeMs: NOW_MS,
    expiresAtMs: null,
    text: words,
    attachments,
  };
}

/** Hands a parcel over and says what was answered: "taken", a reason, or nothing. */
async function handOver(
  office: PostOffice,
  from: Post,
  to: Post,
  parcels: readonly Uint8Array[],
): Promise<readonly string[]> {
  const before = to.said.length;
  office.tell(to, { type: "peerMessage", from: from.id, message: { type: "deposit", parcels } });
  await office.settle();
  return to.said.slice(before).flatMap(({ to: peer, message }) => {
    if (peer !== from.id) return [];
    if (message.type === "taken") return message.ids.map(() => "taken");
    return message.type === "refused" ? [message.reason] : [];
  });
}

Deno.test("a parcel that its named sender did not sign is refused and counted against who brought it", async () => {
  const { office, ada, ben, mallory } = await three();
  const honest = craft(ada, ben);
  const forged = honest.slice();
  // The signature stands behind the header, whose length is in its CBOR head.
  const at = honest.toHex().indexOf("5840") / 2 + 2;
  forged[at] = forged[at]! ^ 1;
  assert.deepEqual(await handOver(office, mallory, ben, [forged]), ["invalid"]);
  assert.ok(ben.strikes.includes("forged parcel"));
  assert.deepEqual(office.texts(ben), []);
  assert.deepEqual(await handOver(office, mallory, ben, [honest]), ["taken"]);
  assert.deepEqual(office.texts(ben), ["crafted"]);
});

Deno.test("a replayed parcel is taken and never shown again, also after it was read and by anybody", async () => {
  const { office, ada, ben, mallory } = await three();
  const parcel = craft(ada, ben);
  for (const from of [ada, mallory, ada]) {
    assert.deepEqual(await handOver(office, from, ben, [parcel]), ["taken"]);
  }
  assert.deepEqual(office.texts(ben), ["crafted"]);
  assert.equal(ben.events.filter(({ type }) => type === "messageReceived").length, 1);
});

Deno.test("the same message in another parcel is shown once", async () => {
  const { office, ada, ben } = await three();
  const content = text(directConversation(crypto, MESH, ada.id, ben.id), "again");
  for (let number = 1; number <= 3; number++) {
    await handOver(office, ada, ben, [craft(ada, ben, { content })]);
  }
  assert.deepEqual(office.texts(ben), ["again"]);
});

Deno.test("changed, cut or reordered bytes never open and never crash", async () => {
  const { office, ada, ben } = await three();
  const parcel = craft(ada, ben);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: parcel.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      async (at, change, cut) => {
        const bytes = cut ? parcel.slice(0, at) : parcel.slice();
        if (!cut) bytes[at] = bytes[at]! ^ change;
        const answers = await handOver(office, ada, ben, [bytes]);
        assert.ok(!answers.includes("taken"), `byte ${at}: ${answers}`);
      },
    ),
    { numRuns: 60 },
  );
  assert.deepEqual(office.texts(ben), []);
});

Deno.test("parcels of another mesh, from the past and from the future are refused with their reason", async () => {
  const { office, ada, ben } = await three();
  const cases: readonly (readonly [Crafted, string])[] = [
    [{ mesh: "cd".repeat(32) as MeshId }, "invalid"],
    [{ timeMs: NOW_MS - 2 * DAY_MS }, "expired"],
    [{ timeMs: NOW_MS + 2 * DAY_MS }, "invalid"],
  ];
  for (const [options, reason] of cases) {
    assert.deepEqual(await handOver(office, ada, ben, [craft(ada, ben, options)]), [reason]);
  }
  assert.deepEqual(office.texts(ben), []);
  assert.deepEqual(new Set(office.warnings(ben)), new Set(["wrongMesh", "expired", "invalid"]));
});

Deno.test("who may not send messages, or was sent away, is refused", async () => {
  const { office, ada, ben, mallory } = await three();
  office.allow(mallory, ["relay"]);
  assert.deepEqual(await handOver(office, mallory, ben, [craft(mallory, ben)]), ["notPermitted"]);
  office.revoke(mallory);
  assert.deepEqual(await handOver(office, ada, ben, [craft(mallory, ben)]), ["notPermitted"]);
  assert.deepEqual(office.texts(ben), []);
});

Deno.test("what waits for a device that is sent away fails, and its sender is told soon", async () => {
  const { office, ada, ben, mallory } = await three();
  for (const other of [ada, ben]) office.disconnect(mallory, other);
  const message = await office.write(ada, [mallory], "too late");
  await office.pass(10_000);
  assert.equal(office.state(ada, message, mallory), "carried");
  office.revoke(mallory);
  await office.pass(4_000);
  assert.equal(office.state(ada, message, mallory), "failed");
  assert.deepEqual([ada.actor.state.outgoing.size, ben.actor.state.carried.size], [0, 0]);
});

Deno.test("nobody speaks in a conversation it is not in, nor changes one it does not lead", async () => {
  const { office, ada, ben, mallory } = await three();
  const { conversation } = await office.write(ada, [ben], "private");
  await handOver(office, mallory, ben, [
    craft(mallory, ben, { content: text(conversation, "me too") }),
  ]);
  assert.deepEqual(office.texts(ben), ["private"]);
  const stolen: Content = {
    type: "conversation",
    conversation,
    version: 9,
    title: "mine",
    members: [ben.id, mallory.id].sort(),
    leader: mallory.id,
  };
  await handOver(office, mallory, ben, [craft(mallory, ben, { content: stolen })]);
  const row = ben.disk.tables.mail.conversations.get(conversation);
  assert.ok(row?.members.includes(ada.id) && row.title === "");
  assert.ok(office.warnings(ben).includes("notAMember"));
});

Deno.test("receipts count only for what was written to their sender", async () => {
  const { office, ada, ben, mallory } = await three();
  office.disconnect(ada, ben);
  const message = await office.write(ada, [ben], "not there yet");
  const receipt: Content = {
    type: "receipt",
    conversation: message.conversation,
    state: "read",
    messages: [message.message],
  };
  await handOver(office, mallory, ada, [craft(mallory, ada, { content: receipt })]);
  assert.equal(office.state(ada, message, ben), "queued");
});

Deno.test("whoever names the attachment of another as its own does not keep it from coming", async () => {
  const { office, ada, ben, mallory } = await three();
  const { conversation } = await office.write(ada, [ben, mallory], "for all three");
  office.disconnect(ada, ben);
  const body = Uint8Array.from({ length: 700_000 }, (_, i) => i & 255);
  const attachments = [{ name: "photo.jpg", mediaType: "image/jpeg", body }];
  await office.send(ada, { conversation, text: "look", attachments });
  const seen = [...mallory.disk.tables.mail.messages.values()].find(({ text }) => text === "look");
  assert.ok(seen !== undefined);
  const stolen = decodeAttachments(seen.attachments);
  const claim = () => [
    craft(mallory, ben, { content: text(conversation, "mine", stolen) }),
  ];
  assert.deepEqual(await handOver(office, mallory, ben, claim()), ["taken"]);
  let deposits = 0;
  office.tap = (from, to, { type }) => {
    if (from !== ada || to !== ben || type !== "deposit" || ++deposits !== 2) return undefined;
    // The message is there, its parts are still to come.
    const message = { type: "deposit", parcels: claim() } as const;
    office.tell(ben, { type: "peerMessage", from: mallory.id, message });
    return undefined;
  };
  office.connect(ada, ben);
  await office.settle();
  assert.ok(deposits > 2);
  const { parts } = ben.disk.tables.mail;
  const come = [...parts.values()].filter(({ author, part }) => author === ada.id && part >= 0);
  assert.equal(come.length, 3);
});

Deno.test("a flood of deposits is cut off at a few, and the peer is counted", async () => {
  const { office, ada, ben } = await three({ jobsPerPeerMax: 4 });
  const parcels = Array.from({ length: 40 }, (_, i) => craft(ada, ben, { number: i + 1 }));
  for (const parcel of parcels) {
    const message = { type: "deposit", parcels: [parcel] } as const;
    office.tell(ben, { type: "peerMessage", from: ada.id, message });
  }
  assert.ok(ben.actor.state.jobs.length <= 4);
  assert.ok(ben.strikes.length >= 30);
  await office.settle();
  assert.deepEqual(await handOver(office, ada, ben, [craft(ada, ben)]), ["taken"]);
});

Deno.test("a flood of words about parcels that are not here keeps nobody from anything", async () => {
  const { office, ben, mallory } = await three();
  for (let i = 0; i < 3_000; i++) {
    const ids = [random.bytes(32).toHex() as ParcelId];
    for (const type of ["discard", "taken"] as const) {
      office.tell(ben, { type: "peerMessage", from: mallory.id, message: { type, ids } });
    }
  }
  assert.equal(ben.actor.state.jobs.length, 0);
  await office.write(ben, [mallory], "still heard");
});

Deno.test("a whole window of small deposits at once, as after a path that stood still, is no flood", async () => {
  const { office, ada, ben } = await three();
  const parcels = Array.from({ length: 256 }, (_, i) => craft(ada, ben, { number: i + 1 }));
  // What was handed over on the old path comes first, then the same once more on the new one.
  for (const parcel of [...parcels, ...parcels]) {
    const message = { type: "deposit", parcels: [parcel] } as const;
    office.tell(ben, { type: "peerMessage", from: ada.id, message });
  }
  assert.deepEqual(ben.strikes, []);
  await office.settle();
  assert.deepEqual(ben.strikes, []);
});

Deno.test("parcels that come too early, and messages nobody reads, are bounded per sender", async () => {
  const { office, ada, ben, mallory } = await three({
    waitingPerSenderMax: 5,
    unreadPerSenderMax: 8,
  });
  const early = Array.from({ length: 12 }, (_, i) => craft(mallory, ben, { number: i + 2 }));
  const answers: string[] = [];
  for (const parcel of early) answers.push(...await handOver(office, mallory, ben, [parcel]));
  assert.equal(answers.filter((answer) => answer === "taken").length, 5);
  assert.ok(answers.includes("quota"));
  const many: string[] = [];
  for (let i = 0; i < 12; i++) many.push(...await handOver(office, ada, ben, [craft(ada, ben)]));
  assert.equal(many.filter((answer) => answer === "taken").length, 8);
  assert.equal(many.at(-1), "quota");
});

Deno.test("a carrier takes from each sender its share, from all together its whole, and from nobody but senders", async () => {
  const { office, ada, ben, mallory } = await three({
    carriedBytesMax: 2_000,
    carriedBytesPerSenderMax: 1_200,
  });
  // Whoever is up would have its mail at once.
  office.disconnect(ada, ben);
  office.disconnect(mallory, ben);
  const fill = async (from: Post, to: Post) => {
    const answers: string[] = [];
    for (let i = 0; i < 6; i++) {
      answers.push(...await handOver(office, from, ben, [craft(from, to, { number: i + 1 })]));
    }
    return answers;
  };
  const first = await fill(ada, mallory);
  assert.ok(first.includes("taken") && first.at(-1) === "quota", String(first));
  const second = await fill(mallory, ada);
  assert.ok(second.includes("full"), String(second));
  assert.deepEqual(await handOver(office, mallory, ben, [craft(ada, mallory, { number: 99 })]), [
    "unwilling",
  ]);
});

Deno.test("a device that may not relay carries for nobody", async () => {
  const { office, ada, ben, mallory } = await three();
  office.allow(ben, ["messages.send"]);
  assert.deepEqual(await handOver(office, ada, ben, [craft(ada, mallory)]), ["unwilling"]);
});

Deno.test("only sender and recipient call a carried parcel back", async () => {
  const office = await opened(["ada", "ben", "cleo", "mallory"]);
  const [ada, ben, cleo, mallory] = office.posts as [Post, Post, Post, Post];
  office.connect(ada, ben);
  office.connect(mallory, ben);
  await handOver(office, ada, ben, [craft(ada, cleo)]);
  const [id] = [...ben.disk.tables.mail.carried.keys()] as never[];
  const discard = { type: "discard", ids: [id] } as never;
  office.tell(ben, { type: "peerMessage", from: mallory.id, message: discard });
  await office.settle();
  assert.equal(ben.disk.tables.mail.carried.size, 1);
  office.tell(ben, { type: "peerMessage", from: ada.id, message: discard });
  await office.settle();
  assert.equal(ben.disk.tables.mail.carried.size, 0);
});

Deno.test("a peer that never answers is handed no more than its window", async () => {
  const { office, ada, ben } = await three({ windowParcels: 5 });
  office.tap = (_from, to) => to === ben ? [] : undefined;
  const before = ada.said.length;
  for (let i = 0; i < 30; i++) await office.write(ada, [ben], `${i}`);
  const handed = ada.said.slice(before).flatMap(({ to, message }) =>
    to === ben.id && message.type === "deposit" ? message.parcels : []
  );
  assert.equal(handed.length, 5);
  assert.ok(ada.actor.state.outgoing.size >= 30);
});

Deno.test("an acknowledgement for what was never handed over changes nothing", async () => {
  const { office, ada, ben, mallory } = await three();
  office.disconnect(ada, ben);
  await office.write(ada, [ben], "keep me");
  const ids = [...ada.actor.state.outgoing.keys()];
  office.tell(ada, { type: "peerMessage", from: mallory.id, message: { type: "taken", ids } });
  office.tell(ada, { type: "peerMessage", from: ben.id, message: { type: "taken", ids } });
  await office.settle();
  assert.deepEqual([...ada.disk.tables.mail.outgoing.keys()], ids);
});

Deno.test("a recipient that calls everything invalid makes the message fail, and the sender says why", async () => {
  const { office, ada, ben } = await three();
  office.tap = (from, _to, message) =>
    from === ben && message.type === "taken"
      ? message.ids.map((id) => ({ type: "refused", id, reason: "invalid" }) as const)
      : from === ben
      ? []
      : undefined;
  const message = await office.write(ada, [ben], "unloved");
  await office.pass(90 * 60_000, 10_000);
  assert.equal(office.state(ada, message, ben), "failed");
});
