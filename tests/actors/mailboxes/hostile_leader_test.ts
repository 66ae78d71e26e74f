/** A member that wants to lead a conversation, or to be back in it: what it says counts only with the evidence for it. */
import assert from "node:assert/strict";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { Content, ConversationId } from "../../../protocols/mailbox/content.ts";
import { createParcel, encodeParcel } from "../../../protocols/mailbox/parcel_wire.ts";
import { sealContent } from "../../../protocols/mailbox/seal.ts";
import {
  chainOf,
  decodeStored,
  headOf,
  signStatement,
  type Statement,
} from "../../../protocols/mailbox/statements.ts";
import { crypto, MESH, type Post, type PostOffice, together } from "./post_office.ts";

const NOW_MS = 1_700_000_000_000;
const random = seededRandom("hostile leader");

interface World {
  readonly office: PostOffice;
  readonly founder: Post;
  /** Ascending by id: the first one leads after the founder. */
  readonly rest: readonly [Post, Post, Post];
  readonly conversation: ConversationId;
  readonly head: Statement;
}

async function founded(): Promise<World> {
  const office = await together(["ada", "ben", "cleo", "dan"], { rejoinMs: 1_000 });
  const founder = office.post("ada");
  const rest = office.posts.filter((post) => post !== founder)
    .sort((a, b) => a.id < b.id ? -1 : 1) as [Post, Post, Post];
  const { conversation } = await office.write(founder, rest, "hello");
  return { office, founder, rest, conversation, head: headOn(founder, conversation) };
}

function rowOn(post: Post, conversation: ConversationId) {
  return post.disk.tables.mail.conversations.get(conversation);
}

function headOn(post: Post, conversation: ConversationId): Statement {
  const stored = decodeStored(rowOn(post, conversation)!.statements!);
  const chain = chainOf(conversation, stored, { mesh: MESH, crypto });
  assert.ok(chain.ok);
  return headOf(chain.message);
}

/** What `from` says to `to`, whatever it is. */
async function say(office: PostOffice, from: Post, to: Post, content: Content): Promise<void> {
  const sealed = sealContent(content, { mesh: MESH, from: from.id, to: to.id }, {
    sealer: from.sealer,
    otherKey: to.sealer.publicKey,
    crypto,
    random,
  });
  const parcel = encodeParcel(createParcel({
    mesh: MESH,
    to: to.id,
    number: 1,
    series: random.bytes(8),
    timeMs: NOW_MS,
    expiresAtMs: NOW_MS + 86_400_000,
    sealed,
    signer: from.signer,
    crypto,
  }));
  const message = { type: "deposit" as const, parcels: [parcel] };
  office.tell(to, { type: "peerMessage", from: from.id, message });
  await office.settle();
}

function evidence(conversation: ConversationId, ...statements: readonly Statement[]): Content {
  return { type: "statements", conversation, statements: statements.map(({ signed }) => signed) };
}

/** A statement that follows another, signed by whoever likes. */
function following(before: Statement, by: Post, fields: Partial<Statement> = {}): Statement {
  return signStatement({
    conversation: before.conversation,
    version: before.version + 1,
    title: "mine",
    members: before.members,
    leader: by.id,
    incarnation: 1,
    origin: Uint8Array.fromHex(before.id),
    ...fields,
  }, { mesh: MESH, signer: by.signer, crypto });
}

Deno.test("nobody takes the lead while the leader is a member, nor before its turn", async () => {
  const { office, founder, rest: [first, second, third], conversation, head } = await founded();
  await say(office, first, second, evidence(conversation, head, following(head, first)));
  assert.deepEqual([rowOn(second, conversation)!.leader, rowOn(second, conversation)!.title], [
    founder.id,
    "",
  ]);
  office.revoke(founder);
  await office.settle();
  await say(office, third, second, evidence(conversation, head, following(head, third)));
  assert.equal(rowOn(second, conversation)!.leader, first.id);
  assert.equal(rowOn(second, conversation)!.title, "");
});

Deno.test("a claim before its turn keeps nobody from following whoever leads in the end", async () => {
  for (const isFirst of [true, false]) {
    const { office, founder, rest: [first, second, third], conversation, head } = await founded();
    const claim = evidence(conversation, head, following(head, third, { version: 50 }));
    if (isFirst) await say(office, third, second, claim);
    office.revoke(founder, [second]);
    await office.settle();
    if (!isFirst) await say(office, third, second, claim);
    assert.equal(rowOn(second, conversation)!.leader, founder.id);
    // Nobody can be asked any more.
    for (const post of [first, third]) office.disconnect(post, second);
    office.tellMembers();
    await office.settle();
    assert.equal(rowOn(second, conversation)!.leader, first.id);
    assert.equal(rowOn(second, conversation)!.title, "");
  }
});

Deno.test("what a leader did not sign is refused, whoever shows it", async () => {
  const { office, founder, rest: [first, second], conversation, head } = await founded();
  const { id: _, signed: __, ...fields } = head;
  const wanted = { ...fields, version: 9, title: "forged" };
  const inItsName = signStatement(wanted, { mesh: MESH, signer: founder.signer, crypto });
  const signature = first.signer.sign(inItsName.signed.body);
  await say(office, first, second, {
    type: "statements",
    conversation,
    statements: [{ body: inItsName.signed.body, signature }],
  });
  assert.equal(rowOn(second, conversation)!.title, "");
  assert.ok(office.warnings(second).includes("forged"));
  // The founder's true word, passed on by another, counts.
  await say(office, first, second, evidence(conversation, inItsName));
  assert.equal(rowOn(second, conversation)!.title, "forged");
});

Deno.test("nobody founds the conversation of another, not even for who has never heard of it", async () => {
  const { office, rest: [first, second], conversation, head } = await founded();
  second.disk.tables.mail.conversations.delete(conversation);
  const own = following(head, first, { version: 1, origin: random.bytes(16) });
  await say(office, first, second, evidence(conversation, own));
  assert.equal(rowOn(second, conversation), undefined);
  assert.ok(office.warnings(second).includes("wrongConversation"));
});

Deno.test("an unsigned word changes nothing that is signed, and the leader's own evidence does not go back", async () => {
  const { office, founder, rest: [first, second], conversation, head } = await founded();
  await say(office, first, second, {
    type: "conversation",
    conversation,
    version: 9,
    title: "mine",
    members: [first.id, second.id].sort(),
    leader: first.id,
  });
  assert.equal(rowOn(second, conversation)!.title, "");
  await office.ask(founder, (ref) => ({
    type: "changeConversation",
    conversation,
    change: { title: "Garden" },
    replyTo: ref as never,
  }));
  await say(office, first, second, evidence(conversation, head));
  assert.equal(rowOn(second, conversation)!.title, "Garden");
});

Deno.test("who was taken out and claims the lead for what it knew before is shown the leader's last word", async () => {
  const { office, founder, rest: [first, second, third], conversation, head } = await founded();
  await office.ask(founder, (ref) => ({
    type: "changeConversation",
    conversation,
    change: { remove: [first.id] },
    replyTo: ref as never,
  }));
  office.revoke(founder);
  await office.settle();
  const claim = following(head, first, { version: 50 });
  for (const to of [second, third]) {
    await say(office, first, to, evidence(conversation, head, claim));
  }
  await office.pass(10_000);
  for (const post of [second, third]) {
    const row = rowOn(post, conversation)!;
    assert.deepEqual([row.leader, row.title], [second.id, ""]);
    assert.deepEqual(JSON.parse(row.members), [second.id, third.id]);
  }
});
