/** Proof that the checker of messages can fail: what it is for is done to a world in which all went well. */
import assert from "node:assert/strict";
import { type MailLedger, mailProblems } from "../../simulation/checkers/mail.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { startMailMesh } from "../../simulation/scenarios/messages.ts";
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
    ledger.acknowledged(from, sent.value);
  }
  await cluster.world.until(() => ledger.allArrived(), 60_000);
  assert.deepEqual(await mailProblems(cluster, ledger), []);
  return { cluster, ledger, from, to, third };
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
    assert.ok(problems.some((line) => expected.test(line)), problems.join("\n"));
  });
}
