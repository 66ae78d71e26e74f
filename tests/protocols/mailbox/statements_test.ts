/** Who may lead a conversation by which evidence, and that all who know the same of it agree. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { nodeIdentity } from "../../../platform/identity_subkeys.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import { STATEMENT_BYTES_MAX, STATEMENTS_MAX } from "../../../protocols/mailbox/content.ts";
import {
  chainOf,
  compareChains,
  type ConversationStatement,
  decodeStored,
  encodeChain,
  groupConversation,
  headOf,
  isOver,
  joined,
  problemOfStatement,
  signedMessageOfStatement,
  signStatement,
  type StandingOf,
  type Statement,
  type StatementChain,
  successorOf,
  validPart,
} from "../../../protocols/mailbox/statements.ts";
import vectors from "../../fixtures/mailbox/mailbox.json" with { type: "json" };
import { crypto, mesh } from "./support.ts";

interface Device {
  readonly id: DeviceId;
  readonly signer: ReturnType<typeof nodeIdentity>;
}

/** Five devices, ascending by id; whoever founds is the last, so that its successors are known. */
const devices: readonly Device[] = [1, 2, 3, 4, 5].map((number) => {
  const signer = nodeIdentity(new Uint8Array(32).fill(number));
  return { id: deviceIdOf(signer.publicKey), signer };
}).sort((a, b) => a.id < b.id ? -1 : 1);
const [ada, ben, cleo, dan, eva] = devices as [Device, Device, Device, Device, Device];
const nonce = new Uint8Array(16).fill(7);
const conversation = groupConversation(crypto, mesh, eva.id, nonce);

function said(
  by: Device,
  version: number,
  members: readonly Device[],
  fields: Partial<ConversationStatement> & { readonly after?: Statement } = {},
): Statement {
  const { after, ...rest } = fields;
  return signStatement({
    conversation,
    version,
    title: "",
    members: members.map(({ id }) => id).sort(),
    leader: by.id,
    incarnation: 1,
    origin: after === undefined ? nonce : Uint8Array.fromHex(after.id),
    ...rest,
  }, { mesh, signer: by.signer, crypto });
}

/** Everybody is admitted for the first time but for these. */
function standing(
  changes: readonly (readonly [Device, { readonly admitted: boolean; incarnation?: number }])[] =
    [],
): StandingOf {
  return (device) => {
    if (!devices.some(({ id }) => id === device)) return undefined;
    const change = changes.find(([{ id }]) => id === device)?.[1];
    return { admitted: change?.admitted ?? true, incarnation: change?.incarnation ?? 1 };
  };
}

const everybody = standing();
const withoutEva = standing([[eva, { admitted: false }]]);

function read(statements: readonly Statement[]) {
  return chainOf(conversation, statements.map(({ signed }) => signed), { mesh, crypto });
}

Deno.test("a chain survives its encoding, and its signatures hold in its mesh alone", () => {
  const first = said(eva, 3, devices, { title: "Küche" });
  const chain: StatementChain = [first, said(ada, 4, [ada, ben], { after: first })];
  const decoded = chainOf(conversation, decodeStored(encodeChain(chain)), { mesh, crypto });
  assert.deepEqual(decoded, { ok: true, message: chain });
  for (const statement of chain) {
    assert.ok(crypto.verify(signedMessageOfStatement(mesh, statement)));
    const elsewhere = "5d".repeat(32) as typeof mesh;
    assert.equal(crypto.verify(signedMessageOfStatement(elsewhere, statement)), false);
  }
  assert.deepEqual(decodeStored(new Uint8Array([1, 2, 3])), []);
});

Deno.test("vectors: statements", () => {
  const content = vectors.contents.find(({ name }) => name === "statements")!.content;
  const { statements = [] } = content as {
    statements?: readonly { readonly body: string; readonly signature: string }[];
  };
  const signed = statements.map(({ body, signature }) => ({
    body: Uint8Array.fromHex(body),
    signature: Uint8Array.fromHex(signature),
  }));
  const name = vectors.statements[0]!.conversation as typeof conversation;
  const chain = chainOf(name, signed, { mesh, crypto });
  assert.ok(chain.ok, JSON.stringify(chain));
  for (const [i, statement] of chain.message.entries()) {
    const { signed: _, origin, ...rest } = statement;
    assert.deepEqual({ ...rest, origin: origin.toHex() }, vectors.statements[i]);
    assert.ok(crypto.verify(signedMessageOfStatement(mesh, statement)));
  }
});

Deno.test("the largest statement fits, and one that breaks a rule is not made", () => {
  const many = Array.from({ length: 64 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i))).sort();
  const largest: ConversationStatement = {
    conversation,
    version: Number.MAX_SAFE_INTEGER,
    title: "x".repeat(128),
    members: many,
    leader: many[0]!,
    incarnation: Number.MAX_SAFE_INTEGER,
    origin: new Uint8Array(32),
  };
  assert.equal(problemOfStatement(largest), undefined);
  const { signed } = signStatement(largest, { mesh, signer: ada.signer, crypto });
  assert.ok(signed.body.length <= STATEMENT_BYTES_MAX, `${signed.body.length}`);
  assert.match(problemOfStatement({ ...largest, title: "a\nb" })!, /control/);
  assert.match(problemOfStatement({ ...largest, members: many.toReversed() })!, /ascending/);
  assert.match(problemOfStatement({ ...largest, leader: eva.id })!, /leader is no member/);
  assert.match(problemOfStatement({ ...largest, origin: new Uint8Array(9) })!, /origin/);
  assert.match(problemOfStatement({ ...largest, members: [many[0]!] })!, /4/);
});

Deno.test("evidence is refused with the link that does not hold", () => {
  const first = said(eva, 3, [ada, ben, eva]);
  const cases: readonly (readonly [readonly Statement[], RegExp])[] = [
    // Nobody but its founder begins a conversation, with nothing but what it is named by.
    [[said(ada, 3, [ada, ben])], /1: .*not named by/],
    [[said(eva, 3, [ada, eva], { origin: new Uint8Array(16) })], /1: .*not named by/],
    [[said(ada, 4, [ada, ben], { after: first })], /1: .*not named by/],
    [[first, said(cleo, 4, [ben, cleo], { after: first })], /2: its leader was no member/],
    [[first, said(eva, 4, [ada, eva], { after: first })], /2: its leader led before/],
    [[first, said(ada, 4, [ada, ben])], /2: it does not follow/],
    [[first, said(ada, 3, [ada, ben], { after: first })], /2: its version is 3, after 3/],
    [
      [said(eva, 3, [ada, eva], { conversation: "00".repeat(16) as typeof conversation })],
      /1: it is of another conversation/,
    ],
  ];
  for (const [statements, expected] of cases) {
    const decoded = read(statements);
    assert.match(decoded.ok ? "taken" : decoded.reason, expected);
  }
  assert.equal(read([]).ok, false);
  assert.ok(read([first, said(ada, 4, [ada, ben], { after: first })]).ok);
});

Deno.test("a body that another signed in the name of a leader is noticed", () => {
  const honest = said(eva, 3, [ada, eva]);
  const forged = said(eva, 3, [ben, eva]);
  const signature = ben.signer.sign(crypto.sha256(forged.signed.body));
  for (const wrong of [signature, honest.signed.signature]) {
    const chain = chainOf(conversation, [{ body: forged.signed.body, signature: wrong }], {
      mesh,
      crypto,
    });
    assert.ok(chain.ok);
    assert.equal(crypto.verify(signedMessageOfStatement(mesh, chain.message[0])), false);
  }
});

Deno.test("a leader is followed only once it has left, by the admitted member with the lowest id", () => {
  const first = said(eva, 3, [ada, ben, eva]);
  const byAda = said(ada, 4, [ada, ben], { after: first });
  const byBen = said(ben, 4, [ada, ben], { after: first });
  assert.deepEqual(validPart([first, byAda], everybody), [first]);
  assert.deepEqual(validPart([first, byAda], withoutEva), [first, byAda]);
  assert.deepEqual(validPart([first, byBen], withoutEva), [first]);
  const withoutBoth = standing([[eva, { admitted: false }], [ada, { admitted: false }]]);
  assert.deepEqual(validPart([first, byBen], withoutBoth), [first, byBen]);
  const then = said(ben, 5, [ben, cleo], { after: byAda });
  assert.deepEqual(validPart([first, byAda, then], withoutBoth), [first, byAda, then]);
  assert.equal(successorOf(first, withoutEva), ada.id);
  assert.equal(successorOf(first, withoutBoth), ben.id);
  assert.equal(successorOf(first, () => undefined), undefined);
});

Deno.test("who was sent away and admitted again does not lead by what it said before", () => {
  const first = said(eva, 3, devices);
  assert.equal(isOver(first, everybody), false);
  assert.equal(isOver(first, standing([[eva, { admitted: true, incarnation: 2 }]])), true);
  assert.equal(isOver(said(eva, 3, devices, { incarnation: 2 }), everybody), false);
  assert.equal(isOver(first, () => undefined), false);
  // Nor is it in its own turn, although its id may be the lowest.
  const byAda = said(ada, 3, devices, { origin: Uint8Array.fromHex(first.id) });
  const adaBack = standing([[eva, { admitted: false }], [ada, { admitted: true, incarnation: 2 }]]);
  assert.equal(successorOf(byAda, adaBack), ben.id);
  const byBen = said(ben, 4, [ben, cleo], { after: byAda });
  assert.deepEqual(validPart([first, byAda, byBen], adaBack), [first, byAda, byBen]);
});

Deno.test("the newest word of the earlier leader decides before that of any successor", () => {
  const old = said(eva, 3, [ada, ben, cleo, eva]);
  const newest = said(eva, 4, [ben, cleo, eva]);
  const byAda: StatementChain = [old, said(ada, 9, [ada, ben, cleo], { after: old })];
  const byBen: StatementChain = [newest, said(ben, 5, [ben, cleo], { after: newest })];
  assert.ok(compareChains([newest], byAda) > 0);
  assert.ok(compareChains(byBen, byAda) > 0);
  assert.ok(compareChains(byBen, [newest]) > 0);
  assert.ok(compareChains([old], byAda) < 0);
  assert.equal(compareChains(byAda, byAda), 0);
  // A leader whose disk was put back may say two things under one version: all take the same one.
  const twin = said(eva, 4, [cleo, eva]);
  assert.equal(
    Math.sign(compareChains([newest], [twin])),
    -Math.sign(compareChains([twin], [newest])),
  );
});

Deno.test("a new leader keeps what a successor changed that did not know better, and brings nobody back", () => {
  const old = said(eva, 3, [ada, ben, cleo, eva]);
  const newest = said(eva, 4, [ada, ben, cleo, dan, eva]);
  const byAda: StatementChain = [
    old,
    said(ada, 4, [ada, cleo], { after: old, title: "Garden" }),
  ];
  const ids = (...of: readonly Device[]) => of.map(({ id }) => id);
  assert.deepEqual(joined([newest], [byAda], withoutEva), {
    title: "Garden",
    members: ids(ada, cleo, dan),
  });
  // Whom the leader had taken out itself has no say, nor whoever pushed in while it led, or before its turn.
  const without = said(eva, 4, [ben, cleo, dan, eva]);
  assert.deepEqual(joined([without], [byAda], withoutEva).members, ids(ben, cleo, dan, eva));
  assert.deepEqual(joined([newest], [byAda], everybody).members, newest.members);
  const byCleo: StatementChain = [old, said(cleo, 4, [cleo, dan], { after: old })];
  assert.deepEqual(joined([newest], [byCleo], withoutEva).members, newest.members);
  assert.deepEqual(joined(byAda, [byAda], withoutEva).members, ids(ada, cleo));
});

/** A history of a conversation: what was said, over several leaders, by whoever had the right to when it knew only part. */
const anyChains = fc.array(
  fc.record({ version: fc.integer({ min: 1, max: 3 }), members: fc.integer({ min: 1, max: 15 }) }),
  { minLength: 1, maxLength: 4 },
).chain((words) =>
  fc.tuple(
    fc.constant(words),
    fc.array(
      fc.record({ after: fc.nat(20), by: fc.nat(3), version: fc.integer({ min: 4, max: 6 }) }),
      { maxLength: 8 },
    ),
  )
).map(([words, successions]) => {
  const chains: StatementChain[] = words.map(({ version, members }) => [
    said(eva, version, [...devices.filter((_, i) => i < 4 && members & (1 << i)), eva]),
  ]);
  for (const { after, by, version } of successions) {
    const before = chains[after % chains.length]!;
    const head = headOf(before);
    const leader = devices[by]!;
    if (!head.members.includes(leader.id) || head.leader === leader.id) continue;
    const rest = devices.filter(({ id }) => head.members.includes(id) && id !== head.leader);
    if (rest.length < 2) continue;
    chains.push([...before, said(leader, head.version + version, rest, { after: head })]);
  }
  return chains;
});
const anyStanding = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }).map((admitted) =>
  standing([
    [eva, { admitted: false }],
    ...devices.slice(0, 4).map((device, i) => [device, { admitted: admitted[i]! }] as const),
  ])
);

Deno.test("in whatever order devices hear of the evidence, they end with the same", () => {
  const better = (a: StatementChain, b: StatementChain) => compareChains(a, b) >= 0 ? a : b;
  fc.assert(
    fc.property(anyChains, anyStanding, fc.infiniteStream(fc.nat()), (chains, of, order) => {
      const valid = chains.map((chain) => validPart(chain, of));
      for (const a of valid) {
        assert.ok(read(a).ok);
        for (const b of valid) {
          assert.equal(Math.sign(compareChains(a, b)) + Math.sign(compareChains(b, a)), 0);
        }
      }
      const shuffled = valid.toSorted(() => (order.next().value! % 3) - 1);
      const [one, other] = [valid.reduce(better), shuffled.reduceRight(better)];
      assert.equal(headOf(one).id, headOf(other).id);
    }),
    { seed: 3, numRuns: 150 },
  );
});

Deno.test("no bytes make the reader of evidence throw, and chains are bounded", () => {
  const body = said(eva, 3, devices).signed.body;
  fc.assert(
    fc.property(fc.nat(), fc.nat(7), fc.nat(), (at, bit, end) => {
      const changed = body.with(at % body.length, body[at % body.length]! ^ (1 << bit));
      const signature = new Uint8Array(64);
      for (const one of [changed, body.slice(0, end % body.length)]) {
        const decoded = chainOf(conversation, [{ body: one, signature }], { mesh, crypto });
        if (decoded.ok) assert.notEqual(decoded.message[0].id, said(eva, 3, devices).id);
      }
    }),
    { seed: 4, numRuns: 100 },
  );
  assert.ok(STATEMENTS_MAX * STATEMENT_BYTES_MAX < 288 * 1024);
});
