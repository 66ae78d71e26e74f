/** Rules that a peer broke before its path ended. */
import assert from "node:assert/strict";
import { connected } from "./pair_support.ts";
import type { TestNode } from "./world.ts";

const isUp = (node: TestNode) => node.sessionEvents.at(-1)?.type === "up";

Deno.test("sessions keep a peer out whose rule breaking was found after its path had ended, and count it once", async () => {
  const { time, net, a, b, stop } = await connected();
  net.down.add("anna");
  net.break();
  await time.run(1);
  const strike = { type: "strike", deviceId: a.device.id, reason: "garbage" } as const;
  for (let count = 0; count < 2_000; count++) b.system.tell(b.sessions, strike);
  net.down.clear();
  await time.run(5_000);
  // Mail that waits for it asks for it again and again.
  b.system.tell(b.sessions, { type: "connectNow", deviceId: a.device.id });
  await time.run(45_000);
  assert.ok(!isUp(b));
  await time.run(90_000);
  assert.ok(isUp(b));
  // What was counted then is over: one more mistake is not the last straw.
  b.system.tell(b.sessions, strike);
  await time.run(1_000);
  assert.ok(isUp(b));
  await stop();
});
