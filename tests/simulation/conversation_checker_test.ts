/** Proof that the checker of conversations can fail. */
import assert from "node:assert/strict";
import { conversationProblems } from "../../simulation/checkers/conversations.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { startMailMesh } from "../../simulation/scenarios/messages.ts";
import type { SimulatedNode } from "../../simulation/simulated_node.ts";
import type { ConversationRow } from "../../store/mail.ts";

Deno.test("members that see a group differently, or do not know of it, are noticed", async () => {
  const cluster = new Cluster({ seed: 1 });
  await startMailMesh(cluster, 3);
  const [founder, member, other] = cluster.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  const to = [member.deviceId, other.deviceId];
  const sent = await cluster.world.wait(founder.handle.mail.send({ to, text: "hello" }));
  assert.ok(sent.type === "done");
  const { conversation } = sent.value;
  const rows = () => member.disk.tables.mail.conversations;
  assert.ok(await cluster.world.until(() => rows().has(conversation), 60_000));
  assert.deepEqual(conversationProblems(cluster.nodes), []);
  const row = rows().get(conversation)!;
  const wrong: readonly (readonly [Partial<ConversationRow>, RegExp])[] = [
    [{ leader: member.deviceId }, /see group .* differently/],
    [{ title: "another" }, /see group .* differently/],
    [
      { members: JSON.stringify([founder.deviceId, member.deviceId].sort()) },
      /see group .* differently/,
    ],
    [{ members: JSON.stringify(to.slice(1)) }, /does not know to be in group/],
  ];
  for (const [change, expected] of wrong) {
    rows().set(conversation, { ...row, ...change });
    assert.match(conversationProblems(cluster.nodes).join("\n"), expected);
  }
  rows().delete(conversation);
  assert.match(conversationProblems(cluster.nodes).join("\n"), /does not know/);
});
