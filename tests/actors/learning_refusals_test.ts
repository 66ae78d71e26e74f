/** Runs that could never come to an end are refused before anything is published; those that wait for more say what for. */
import assert from "node:assert/strict";
import type { NewRun } from "../../actors/learning_handle.ts";
import { finished, type Mesh, mesh, started, valueOf } from "./learning_mesh.ts";

/** Why the first node does not start this run; nothing of it is known afterwards. */
async function refusalOf({ ask }: Mesh, wish: Partial<NewRun>): Promise<string> {
  const before = await ask(0, (learning) => learning.runs());
  const outcome = await ask(0, (learning) => learning.start({ task: "clouds", ...wish }));
  assert.ok(outcome.type === "refused", JSON.stringify(wish));
  assert.equal(outcome.reason, "invalid");
  assert.equal((await ask(0, (learning) => learning.runs())).length, before.length);
  return outcome.message;
}

Deno.test("a run that needs more devices than are members is refused, and begun when more are said to come; it says how many it waits for", async () => {
  const one = await mesh(3);
  const krum = { aggregation: "clear", rule: { name: "krum", numbers: {} } } as const;
  assert.match(
    await refusalOf(one, krum),
    /rule "krum" with faulty 1 needs 5 devices, and 3 members may join; possible would be 5 members, or faulty 0/,
  );
  assert.match(await refusalOf(one, { participants: { least: 5 } }), /expected at most 3/);
  const run = valueOf(
    await one.ask(0, (learning) => learning.start({ task: "clouds", ...krum, wait: true })),
  );
  assert.deepEqual([run.state, run.waitingFor], ["running", "4 more devices"]);
  await one.cluster.world.advance(3_000);
  valueOf(await one.ask(1, (learning) => learning.join(run.run)));
  await one.cluster.world.advance(5_000);
  for (const node of [0, 1]) {
    const view = valueOf(await one.ask(node, (learning) => learning.run(run.run)));
    assert.deepEqual([view.phase, view.waitingFor], ["waiting", "3 more devices"]);
  }
});

Deno.test("whoever has no examples begins only what the others can play without it", async () => {
  const one = await mesh(3);
  const empty = { task: "empty", rounds: 2 };
  assert.match(
    await refusalOf(one, empty),
    /least is 3, and this device, one of 3 members, has nothing to learn from: there is nothing to see; expected examples here, or 4 members/,
  );
  const clear = { ...empty, aggregation: "clear" } as const;
  valueOf(await one.ask(0, (learning) => learning.start(clear)));
});

Deno.test("a set that is too small to be divided among the members is refused, and so is a version of another network", async () => {
  const one = await mesh(3);
  const counted = { task: "counted", options: { count: 2 }, share: { kind: "iid" } } as const;
  assert.match(
    await refusalOf(one, counted),
    /share.kind is "iid" among 3 devices: 2 are too few to share; expected more examples, or no share/,
  );
  const run = await started(one, { rounds: 1 });
  await finished(one, run);
  const { version } = valueOf(await one.ask(0, (learning) => learning.run(run.run)));
  assert.match(
    await refusalOf(one, { task: "wide", startFrom: version! }),
    /startFrom is [0-9a-f]{12}, of another network with 6 numbers, and task "wide" with these options has 8; expected a version of a run with the same options/,
  );
});

Deno.test("a run that what is left of the budget does not pay for is refused with how much is spent; asking again with the same key is not asking for more", async () => {
  const one = await mesh(3, 250);
  const privacy = { epsilon: 200, clip: 0.5, noiseMultiplier: 0.5 };
  const wish = { task: "clouds", rounds: 3, privacy, idempotencyKey: "once" };
  const run = await started(one, wish);
  await finished(one, run);
  const { epsilonSpent } = await one.ask(0, (learning) => learning.budget());
  const rounds = 57;
  const message = await refusalOf(one, { rounds, privacy: { ...privacy, epsilon: 249 } });
  assert.match(
    message,
    new RegExp(
      `allows ε 250 in all, ε ${
        epsilonSpent.toFixed(2)
      } is spent, and after 57 rounds of it that would be ε [\\d.]+; possible would be \\d+ rounds`,
    ),
  );
  const [, left] = /possible would be (\d+) rounds/.exec(message)!;
  assert.ok(Number(left) < rounds);
  const again = valueOf(await one.ask(0, (learning) => learning.start(wish)));
  assert.equal(again.run, run.run);
});
