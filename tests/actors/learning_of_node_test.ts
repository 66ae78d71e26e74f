/** The handle's learning, over whole nodes in the simulator: a run from start to end, its numbers, its versions, and what is refused. */
import assert from "node:assert/strict";
import type { NewRun, RunView } from "../../actors/learning_handle.ts";
import { ROUNDS_KEPT } from "../../actors/rounds/old_vectors.ts";
import { readSafetensors } from "../../learning/models/safetensors.ts";
import { finished, type Mesh, mesh, ROUNDS, started, valueOf } from "./learning_mesh.ts";

let shared: Promise<{ readonly mesh: Mesh; readonly run: RunView }> | undefined;
/** A finished run, played once for all tests that only look at it. */
function finishedRun() {
  return shared ??= (async () => {
    const one = await mesh(3);
    const run = await started(one);
    await finished(one, run);
    return { mesh: one, run };
  })();
}

Deno.test("a task says whether this device has examples for it, and why not", async () => {
  const { mesh: { ask } } = await finishedRun();
  const [clouds, empty] = await ask(0, (learning) => learning.tasks());
  assert.deepEqual(
    [clouds?.available, clouds?.trainingExamples, clouds?.testExamples, clouds?.parameters],
    [true, 40, 40, 6],
  );
  assert.deepEqual([empty?.available, empty?.reason], [false, "there is nothing to see"]);
});

Deno.test("a run is planned by the examples that its own options give this device", async () => {
  const { ask } = await mesh(3);
  const start = (count: number) =>
    ask(0, (learning) => learning.start({ task: "counted", rounds: 1, options: { count } }));
  const { plan } = valueOf(await start(600));
  assert.ok(plan.aggregation.type === "secure");
  // 600 examples weigh 38: of at most 127, about half of what the heaviest may have.
  assert.equal(plan.aggregation.encoding.examplesPerWeight, 16);
  const refused = await start(1_001);
  assert.ok(refused.type === "refused");
  assert.equal(refused.message, "Cannot plan the run: 1001 are too many");
});

Deno.test("a run started by name alone sums securely and ends with every device at the same version", async () => {
  const { mesh: { nodes, ask }, run } = await finishedRun();
  assert.equal(run.plan.aggregation.type, "secure");
  assert.equal(run.state, "running");
  assert.equal(run.joined, true);
  const views = [];
  for (let i = 0; i < nodes.length; i++) {
    views.push(valueOf(await ask(i, (learning) => learning.run(run.run))));
  }
  for (const view of views) {
    assert.deepEqual([view.round, view.rounds, view.phase], [ROUNDS, ROUNDS, "finished"]);
    assert.equal(view.version, views[0]!.version);
    assert.equal(view.epsilonSpent, null);
    assert.equal(view.startedBy, nodes[0]!.deviceId);
    assert.equal(view.metrics?.round, ROUNDS);
    assert.ok(view.metrics.accuracy! > 0.95, `${view.metrics.accuracy}`);
  }
  const runs = await ask(1, (learning) => learning.runs());
  assert.deepEqual(runs.map(({ run }) => run), [run.run]);
});

Deno.test("the numbers of every round are kept, oldest first", async () => {
  const { mesh: { ask }, run } = await finishedRun();
  const rounds = valueOf(await ask(2, (learning) => learning.rounds(run.run.slice(0, 8))));
  assert.deepEqual(
    rounds.map(({ round }) => round),
    Array.from({ length: ROUNDS }, (_, i) => i + 1),
  );
  for (const { counted, called, parameterBytes, loss } of rounds) {
    assert.deepEqual([counted <= called, parameterBytes], [true, 24]);
    assert.ok(loss === null || loss > 0);
  }
  assert.ok(rounds.at(-1)!.accuracy !== null);
});

Deno.test("versions form a chain; old ones have made room, the newest verifies in well under a second", async () => {
  const { mesh: { ask, nodes }, run } = await finishedRun();
  const models = valueOf(await ask(1, (learning) => learning.models(run.run)));
  assert.deepEqual(
    models.map(({ round }) => round),
    Array.from({ length: ROUNDS + 1 }, (_, i) => ROUNDS - i),
  );
  models.slice(0, -1).forEach(({ parent }, i) => assert.equal(parent, models[i + 1]!.version));
  assert.deepEqual(models.filter(({ current }) => current).map(({ round }) => round), [ROUNDS]);
  const here = models.filter((one) => one.here).map(({ round }) => round);
  // Where a run began can always be made again.
  assert.deepEqual(here, [...Array.from({ length: ROUNDS_KEPT }, (_, i) => ROUNDS - i), 0]);
  assert.ok(nodes[1]!.vectors.size <= 2 * ROUNDS_KEPT + 2, `${nodes[1]!.vectors.size} vectors`);
  const newest = models[0]!;
  const verification = valueOf(
    await ask(1, (learning) => learning.verify(newest.version.slice(0, 8))),
  );
  assert.equal(verification.valid, true, JSON.stringify(verification));
  assert.deepEqual(
    verification.checks.map(({ check, ok }) => [check, ok]),
    ["subject", "participants", "signatures", "aggregate", "sum", "version"]
      .map((check) => [check, true]),
  );
  assert.ok(verification.durationMs < 1_000);
  assert.equal(
    valueOf(await ask(1, (learning) => learning.model(newest.version))).verified,
    "valid",
  );
  const first = valueOf(await ask(1, (learning) => learning.verify(models.at(-1)!.version)));
  assert.deepEqual(first.checks.map(({ check, ok }) => [check, ok]), [["seed", true]]);
  const gone = await ask(1, (learning) => learning.verify(models[ROUNDS_KEPT + 1]!.version));
  assert.ok(gone.type === "refused");
  assert.equal(gone.reason, "unavailable");
  assert.match(
    gone.message,
    /Cannot verify round 3: its parent \w+ is not .* \w{8} has not kept it, \w{8} has not kept it; it was valid when .* last 10 rounds/,
  );
});

Deno.test("a disk that holds another sum than the one released is told by verifying", async () => {
  const { mesh: { ask, nodes, cluster }, run } = await finishedRun();
  const summary = valueOf(await ask(2, (learning) => learning.models(run.run)))[1]!;
  const node = nodes[2]!;
  const before = new Map(node.vectors);
  // The version before the newest: its parent's parameters are exchanged for others of the same size.
  const bytes = node.vectors.get(summary.parent!)!.slice();
  bytes[0] = bytes[0]! ^ 1;
  node.vectors.set(summary.parent!, bytes);
  const outcome = valueOf(await cluster.world.wait(node.handle.learning.verify(summary.version)));
  assert.equal(outcome.valid, false);
  assert.equal(outcome.checks.at(-1)?.check, "subject");
  node.vectors.clear();
  for (const [hash, vector] of before) node.vectors.set(hash, vector);
});

Deno.test("versions are compared and exported, and going back makes an older one the current one until the newest is chosen", async () => {
  const { mesh: { ask }, run } = await finishedRun();
  const list = async () => valueOf(await ask(0, (learning) => learning.models(run.run)));
  const [newest, older] = await list();
  const compared = valueOf(
    await ask(0, (learning) => learning.compare(older!.version, newest!.version)),
  );
  assert.ok(compared.l2 > 0 && compared.cosine > 0.9);
  assert.deepEqual(compared.layers.length, 2);
  assert.equal(compared.metrics.b.accuracy, newest!.metrics.accuracy);
  const back = valueOf(await ask(0, (learning) => learning.rollBack(older!.version)));
  assert.equal(back.current, true);
  assert.deepEqual((await list()).filter(({ current }) => current).map(({ version }) => version), [
    older!.version,
  ]);
  valueOf(await ask(0, (learning) => learning.rollBack(newest!.version)));
  assert.equal((await list()).find(({ current }) => current)?.version, newest!.version);
  const file = readSafetensors(
    valueOf(await ask(0, (learning) => learning.export(newest!.version, "safetensors"))),
  );
  assert.deepEqual([file.layout.count, file.metadata.run], [6, run.run]);
  assert.ok(
    valueOf(await ask(0, (learning) => learning.export(newest!.version, "onnx"))).length > 0,
  );
});

Deno.test("a run or version is named by a unique beginning of six digits or more", async () => {
  const { mesh: { ask }, run } = await finishedRun();
  const reasonOf = async (prefix: string) => {
    const outcome = await ask(0, (learning) => learning.run(prefix));
    return outcome.type === "refused" ? outcome.reason : "done";
  };
  assert.equal(await reasonOf(run.run.slice(0, 6)), "done");
  assert.equal(await reasonOf(run.run.slice(0, 5)), "invalid");
  assert.equal(await reasonOf("not hex"), "invalid");
  const other = run.run.startsWith("ffffff") ? "000000" : "ffffff";
  assert.equal(await reasonOf(other), "notFound");
});

Deno.test("whoever goes on from a version starts a run with it; what is impossible is refused before anything is published", async () => {
  const { mesh: { ask }, run } = await finishedRun();
  const version = valueOf(await ask(0, (learning) => learning.run(run.run))).version!;
  const messageOf = async (wish: Partial<NewRun>) => {
    const outcome = await ask(0, (learning) => learning.start({ task: "clouds", ...wish }));
    return outcome.type === "refused" ? outcome.message : "started";
  };
  assert.match(
    await messageOf({ task: "chess" }),
    /no task "chess" is known, expected one of: clouds/,
  );
  assert.match(await messageOf({ startFrom: "ffffff" as never }), /no version begins/);
  assert.match(
    await messageOf({ privacy: { epsilon: 2_000, clip: 1, noiseMultiplier: 5 } }),
    /this device allows ε 1000 in all/,
  );
  assert.equal((await ask(0, (learning) => learning.runs())).length, 1);
  const next = valueOf(
    await ask(
      0,
      (learning) => learning.start({ task: "clouds", startFrom: version.slice(0, 7) as never }),
    ),
  );
  assert.equal(next.plan.startFrom, version);
  assert.equal(next.version, version);
  const stopped = valueOf(await ask(0, (learning) => learning.stop(next.run)));
  assert.equal(stopped.joined, false);
  const again = await ask(0, (learning) => learning.join(next.run));
  assert.equal(again.type === "refused" && again.reason, "invalid");
});

Deno.test("a device that has no part in the run before fetches the version that the next one goes on from", async () => {
  const one = await mesh(3);
  const { ask, cluster } = one;
  const before = valueOf(await ask(0, (learning) => learning.start({ task: "clouds", rounds: 2 })));
  await cluster.world.advance(3_000);
  const clear = {
    task: "clouds",
    rounds: 2,
    aggregation: "clear",
    participants: { least: 2 },
  } as const;
  valueOf(await ask(0, (learning) => learning.stop(before.run)));
  const two = valueOf(await ask(0, (learning) => learning.start(clear)));
  await cluster.world.advance(3_000);
  valueOf(await ask(1, (learning) => learning.join(two.run)));
  await cluster.world.advance(30_000);
  const done = valueOf(await ask(0, (learning) => learning.run(two.run)));
  assert.equal(done.state, "finished");
  const late = await ask(0, (learning) => learning.stop(two.run));
  assert.match(late.type === "refused" ? late.message : "", /finished all its rounds/);
  const next = await started(one, { rounds: 2, startFrom: done.version! });
  assert.equal(next.plan.aggregation.type, "secure");
  await finished(one, next);
  const rounds = valueOf(await ask(2, (learning) => learning.rounds(next.run)));
  // It took part from the first round on.
  assert.deepEqual(rounds.map(({ counted }) => counted), [3, 3]);
});

Deno.test("privacy is spent round by round, told per run, and the budget never falls below what is spent", async () => {
  const one = await mesh(3);
  const privacy = { epsilon: 200, clip: 0.5, noiseMultiplier: 0.5 };
  const run = await started(one, { rounds: 3, privacy });
  assert.equal(run.plan.privacy?.noise, "distributed");
  assert.equal(run.epsilonSpent, 0);
  await finished(one, run);
  const view = valueOf(await one.ask(1, (learning) => learning.run(run.run)));
  assert.ok(view.epsilonSpent! > 0 && view.epsilonSpent! <= 200);
  const budget = await one.ask(1, (learning) => learning.budget());
  assert.deepEqual(
    budget.runs.map(({ rounds, title, epsilonMax }) => [rounds, title, epsilonMax]),
    [
      [3, "Clouds", 200],
    ],
  );
  assert.equal(budget.runs[0]!.epsilon, view.epsilonSpent);
  const below = await one.ask(1, (learning) => learning.setBudget(budget.epsilonSpent / 2));
  assert.equal(below.type === "refused" && below.reason, "invalid");
  const set = valueOf(await one.ask(1, (learning) => learning.setBudget(500)));
  assert.equal(set.epsilonLifetimeMax, 500);
  assert.equal((await one.ask(1, (learning) => learning.budget())).epsilonLifetimeMax, 500);
});

Deno.test("a device that leaves shows the run as open, and the same key starts the same run", async () => {
  const one = await mesh(1);
  const wish = { task: "clouds", participants: { least: 1 }, idempotencyKey: "only once" } as const;
  const run = valueOf(await one.ask(0, (learning) => learning.start({ ...wish, rounds: 2 })));
  assert.equal(run.plan.aggregation.type, "clear");
  const again = valueOf(await one.ask(0, (learning) => learning.start({ ...wish, rounds: 2 })));
  assert.equal(again.run, run.run);
  await finished(one, run);
  const left = valueOf(await one.ask(0, (learning) => learning.leave(run.run)));
  assert.deepEqual([left.joined, left.devices], [false, 0]);
  // What it has learned is still here.
  assert.ok(left.version !== null);
});

for (
  const [name, wish] of [
    ["compressed sums", { compression: { name: "stochastic", numbers: { bits: 4 } } }],
    ["a clipping length that adapts", {
      privacy: { epsilon: 900, clip: 0.05, clipQuantile: 0.5, noiseMultiplier: 0.5 },
    }],
    ["a clipping length that adapts, with the coordinator's noise", {
      aggregation: "clear",
      privacy: { epsilon: 900, clip: 0.05, clipQuantile: 0.5, noiseMultiplier: 0.5 },
    }],
  ] as const
) {
  Deno.test(`a run of ${name} starts by its wish, and each version it keeps verifies`, async () => {
    const one = await mesh(4);
    const run = await started(one, { ...wish, rounds: 6 });
    await finished(one, run);
    const models = valueOf(await one.ask(1, (learning) => learning.models(run.run)));
    for (const { version, round } of models.filter((model) => model.round > 0)) {
      const { valid, checks } = valueOf(await one.ask(2, (learning) => learning.verify(version)));
      assert.ok(valid, `round ${round}: ${JSON.stringify(checks)}`);
    }
  });
}

for (
  const [name, wish] of [
    ["in the clear", {
      aggregation: "clear",
      compression: { name: "eden", numbers: { bits: 2 } },
    }],
    ["by error feedback", {
      aggregation: "clear",
      compression: { name: "topK", numbers: { share: 0.5 } },
    }],
    ["in a secure sum", { compression: { name: "stochastic", numbers: { bits: 4 } } }],
  ] as const
) {
  Deno.test(`each device has, round by round, what compressing its own update brought and cost, ${name}`, async () => {
    const one = await mesh(3);
    const run = await started(one, { ...wish, rounds: 4 });
    assert.equal(run.compression, undefined);
    await finished(one, run);
    const told = [];
    for (const device of [0, 1, 2]) {
      const rounds = valueOf(await one.ask(device, (learning) => learning.rounds(run.run)));
      assert.equal(rounds.length, 4);
      // Not every device was there in time for the first round.
      const errors = rounds.flatMap(
        ({ compression, parameterBytes, updateBytes, trainingLoss }) => {
          assert.equal(compression!.ratio, parameterBytes / updateBytes);
          assert.equal(compression!.error === null, trainingLoss === null);
          return compression!.error ?? [];
        },
      );
      assert.ok(errors.length >= 3 && errors.every((error) => error > 0 && error < 5), `${errors}`);
      const whole = valueOf(await one.ask(device, (learning) => learning.run(run.run))).compression;
      assert.ok(whole!.ratio > 0);
      const mean = errors.reduce((sum, error) => sum + error / errors.length, 0);
      assert.ok(Math.abs(whole!.error! - mean) < 1e-9);
      told.push(whole!.error);
    }
    // It is this device's own: nobody has heard of another's.
    assert.equal(new Set(told).size, 3);
  });
}

Deno.test("a run that compresses nothing says nothing of it", async () => {
  const { mesh: { ask }, run } = await finishedRun();
  assert.equal(valueOf(await ask(0, (learning) => learning.run(run.run))).compression, undefined);
  const rounds = valueOf(await ask(0, (learning) => learning.rounds(run.run)));
  assert.ok(rounds.every(({ compression }) => compression === undefined));
});
