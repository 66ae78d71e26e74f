/** Proof that the checker of messages can fail: what it is for is done to a world in which all went well. */
import assert from "node:assert/strict";
import { type MailLedger, mailProblems } from "../../simulation/checkers/mail.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { startMailMesh } from "../../simulation/scenarios/messages.ts";
import type { MessageRow } from "../../store/mail.ts";
import type { SimulatedNode } from "../../simulation/simulated_node.ts";

interface Calm {
  readonly cluster: Cluster;
  readonly ledger: MailLedger;
  readonly from: SimulatedNode;
  readonly to: SimulatedNode;
  readonly third: SimulatedNode;
}

async function calm(): Promise<Calm> {
  const cluster = new Cluster({ seed: 1 });
  const ledger = await startMailMesh(cluster, 3);
  const [from, to, third] = cluster.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  for (let i = 0; i < 3; i++) {
    const sent = await cluster.world.wait(
      from.handle.mail.send({ to: [to.deviceId], text: `Message ${i}` }),
    );
    assert.ok(sent.type === "done");
    ledger.acknowledged(from, sent.value, {
      validMs: i === 0 ? 100_000 : undefined,
      inPeace: true,
    });
  }
  await cluster.world.until(() => ledger.allArrived(), 60_000);
  assert.deepEqual(await mailProblems(cluster, ledger), []);
  return { cluster, ledger, from, to, third };
}

function firstOf(node: SimulatedNode): MessageRow {
  return [...node.disk.tables.mail.messages.values()].find(({ number }) => number === 1)!;
}

/** The recipient logs that it waited in vain for something of the author. */
function goOnWithout({ cluster, from, to }: Calm): void {
  cluster.world.log.write("warning", "mail refused", {
    device: to.name,
    about: from.deviceId,
    reason: "waitedInVain",
  });
}

const cases: readonly (readonly [string, (world: Calm) => void, RegExp])[] = [
  ["a message that is not there", ({ to }) => {
    const { messages } = to.disk.tables.mail;
    messages.delete([...messages.keys()][0]!);
  }, /is said to be delivered and is not there/],
  ["a message that is there twice", ({ to }) => {
    const { messages } = to.disk.tables.mail;
    const row = [...messages.values()][0]!;
    messages.set("copy", { ...row, message: "00".repeat(16) as typeof row.message });
  }, /is there 2 times/],
  ["a message that was announced twice", ({ ledger, to }) => {
    const shown = ledger.shown.get(to.deviceId)!;
    shown.set([...shown.keys()][0]!, 2);
  }, /announced message .* 2 times/],
  ["a message that never left", ({ from }) => {
    const { deliveries } = from.disk.tables.mail;
    const [key, row] = [...deliveries][0]!;
    deliveries.set(key, { ...row, state: "queued" });
  }, /is queued/],
  ["messages out of order", ({ to }) => {
    const { messages } = to.disk.tables.mail;
    const [key, row] = [...messages][0]!;
    messages.set(key, { ...row, number: 99 });
  }, /out of order/],
  ["a message that expired without a reason", ({ from, to }) => {
    const { deliveries } = from.disk.tables.mail;
    to.disk.tables.mail.messages.clear();
    for (const [key, row] of deliveries) deliveries.set(key, { ...row, state: "expired" });
  }, /nothing kept it from its recipient[^]*might have come much later/],
  ["a message that failed without a reason", ({ from }) => {
    const { deliveries } = from.disk.tables.mail;
    const [key, row] = [...deliveries][0]!;
    deliveries.set(key, { ...row, state: "failed", problem: "a mood" });
  }, /is failed \(a mood\), and is there/],
  ["a message that is said to be read and was not", ({ from }) => {
    const { deliveries } = from.disk.tables.mail;
    const [key, row] = [...deliveries][0]!;
    deliveries.set(key, { ...row, state: "read" });
  }, /is said to be read, and was not read/],
  ["a message that was written to somebody who had been removed", ({ ledger, from, to }) => {
    const { conversation } = ledger.sent[0]!;
    ledger.removed.set(`${conversation} ${to.deviceId}`, { by: from, atMs: -1 });
  }, /whom n0 had removed before/],
  ["a message that was written to somebody who had been revoked", ({ ledger, from, to }) => {
    ledger.revoked.set(to.deviceId, { by: from, atMs: -1 });
  }, /whom n0 had revoked before/],
  ["a message that was shown although its time was over by its recipient's clock", ({ to }) => {
    const { messages } = to.disk.tables.mail;
    for (const [key, row] of messages) {
      messages.set(key, { ...row, receivedAtMs: row.timeMs + 100_001 });
    }
  }, /"Message 0" of n0 to n1 was shown 1 ms after its time was over by its recipient's clock$/],
  ["a message that is said to be expired and was shown", ({ from }) => {
    const { deliveries } = from.disk.tables.mail;
    const [key, row] = [...deliveries][0]!;
    deliveries.set(key, { ...row, state: "expired" });
  }, /is said to be expired and is there/],
  ["a text in clear where it must be sealed", ({ third, ledger }) => {
    const parcel = new TextEncoder().encode(`..${ledger.nextText()}..`);
    third.disk.tables.mail.carried.set("leak", { parcel } as never);
  }, /n2 holds a text in clear in its table "carried"/],
  ["a parcel that is kept for ever", ({ third }) => {
    third.disk.tables.mail.carried.set("kept", { parcel: new Uint8Array(1) } as never);
  }, /n2 still has 1 rows in its table "carried"/],
  ["more remembered parcels than were written", ({ to }) => {
    for (let i = 0; i < 1_000; i++) to.disk.tables.mail.received.set(`${i}`, {} as never);
  }, /n1 remembers 10\d\d parcels/],
  ["what was wrong when it was announced", ({ ledger }) => {
    ledger.seen.push("n0 was told something else");
    ledger.disorder.push("n1 announced something late");
  }, /something else[^]*something late/],
  ["a message that was announced behind a later one", ({ ledger, to }) => {
    ledger.order.announced(to, firstOf(to));
  }, /announced "Message 0", number 1 of n0, after number 3, without a reason/],
  ["a message that was announced behind a later one, given up only afterwards", (world) => {
    const { ledger, to } = world;
    ledger.order.announced(to, firstOf(to));
    goOnWithout(world);
  }, /number 1 of n0, after number 3, without a reason/],
  ["a message in the wrong hands", ({ to, third }) => {
    const [key, row] = [...to.disk.tables.mail.messages][0]!;
    third.disk.tables.mail.messages.set(key, row);
  }, /which was not for it/],
];

for (const [what, change, expected] of cases) {
  Deno.test(`the checker of messages names ${what}`, async () => {
    const world = await calm();
    change(world);
    const problems = await mailProblems(world.cluster, world.ledger);
    assert.match(problems.join("\n"), expected);
  });
}

const reasons: readonly (readonly [string, (world: Calm) => void])[] = [
  ["that was given up by its author", ({ ledger, to }) => {
    ledger.order.givenUp(firstOf(to).message, to.deviceId);
  }],
  ["that was sent again", ({ from }) => {
    const { deliveries } = from.disk.tables.mail;
    for (const [key, row] of deliveries) deliveries.set(key, { ...row, attempts: 2 });
  }],
  ["for which its recipient waited in vain", (world) => {
    goOnWithout(world);
    for (const number of [2, 3]) {
      world.ledger.order.announced(world.to, { ...firstOf(world.to), number });
    }
  }],
];

for (const [which, happens] of reasons) {
  Deno.test(`a message ${which} may be announced behind a later one`, async () => {
    const world = await calm();
    world.ledger.order.forget();
    happens(world);
    world.ledger.order.announced(world.to, { ...firstOf(world.to), number: 3 });
    world.ledger.order.announced(world.to, firstOf(world.to));
    assert.deepEqual(await mailProblems(world.cluster, world.ledger), []);
  });
}
