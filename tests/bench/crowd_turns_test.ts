/** Devices that share a process take turns, and none of them keeps the others' connection waiting. */
import assert from "node:assert/strict";
import { Turns } from "../../bench/network/crowd_turns.ts";

/** A clock whose next turn the test gives. */
function byHand() {
  const scheduled: (() => void)[] = [];
  const turns = new Turns({
    schedule(delayMs, callback) {
      assert.equal(delayMs, 0);
      scheduled.push(callback);
      return () => {};
    },
  });
  return { turns, give: () => void scheduled.shift()?.(), isIdle: () => scheduled.length === 0 };
}

Deno.test("one acts at a time, in order, with a look at the connection before each", () => {
  const { turns, give, isIdle } = byHand();
  const acted: number[] = [];
  for (const one of [1, 2]) turns.take(() => void acted.push(one));
  assert.equal(acted.length, 0);
  give();
  assert.deepEqual(acted, [1]);
  turns.take(() => void acted.push(3));
  give();
  give();
  assert.deepEqual(acted, [1, 2, 3]);
  assert.ok(isIdle());
  turns.take(() => void acted.push(4));
  give();
  assert.deepEqual(acted, [1, 2, 3, 4]);
});

Deno.test("nobody acts while a look brings something, but for a connection that is never silent", () => {
  const { turns, give } = byHand();
  let acted = 0;
  turns.take(() => void acted++);
  for (let look = 0; look < 10; look++) {
    turns.heard();
    give();
  }
  assert.equal(acted, 0);
  give();
  assert.equal(acted, 1);
  turns.take(() => void acted++);
  for (let look = 0; look < 100; look++) {
    turns.heard();
    give();
  }
  assert.equal(acted, 2);
});
