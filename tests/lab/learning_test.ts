/**
 * Devices on hosts of their own learn digits together under secure sums, while the coordinator is killed in the middle of a round and
 * another one loses its cable. Nothing but the command line and the HTTP API is used.
 */
import assert from "node:assert/strict";
import type { NewRun, RoundMetrics, Verification } from "../../actors/learning_handle.ts";
import type { RunJson } from "../../cli/client_learning.ts";
import { createLab } from "./lab.ts";
import { connected, type LabNode, pair, stopwatch, until } from "./mesh_lab.ts";
import { ignore, startAll, step, withFolder } from "./mesh_steps.ts";

const NAMES = ["Alder", "Birch", "Cedar", "Dogwood", "Elder"];
const PICTURES = new URL("../fixtures/learning/mnist/", import.meta.url);
/** A round takes about a second: enough that whoever was killed or cut off is back long before the last one, on a busy machine, too. */
const ROUNDS = 30;
/** The coordinator dies in a round after this one. */
const KILL_AFTER = 1;
const ROUND_MS = 60_000;

const RUN: NewRun = {
  task: "mnist",
  title: "Digits on hosts",
  options: { model: "2nn" },
  rounds: ROUNDS,
  participants: { least: 3 },
  local: { epochs: 2, batchSize: 10, learningRate: 0.1 },
  aggregation: "secure",
  share: { kind: "iid" },
  deadlines: { readyMs: 5_000, trainMs: 20_000, phaseMs: 5_000 },
};

/** Puts the pictures where a node looks for them. */
async function givePictures(node: LabNode): Promise<void> {
  const target = `${node.data}/learning/mnist`;
  await Deno.mkdir(target, { recursive: true });
  for await (const { name } of Deno.readDir(PICTURES)) {
    if (name.includes("ubyte")) await Deno.copyFile(new URL(name, PICTURES), `${target}/${name}`);
  }
}

/** Everybody with everybody, invited by the first. */
async function pairAll(nodes: readonly LabNode[]): Promise<void> {
  const [first, ...others] = nodes as [LabNode, ...LabNode[]];
  for (const other of others) {
    const invite = await first.invite({ role: "owner" });
    await pair(first, other, invite.link);
  }
  for (const [index, one] of nodes.entries()) {
    for (const other of nodes.slice(index + 1)) await connected(one, other, 20_000);
  }
  await until("five members on every device", 10_000, async () => {
    const registries = await Promise.all(nodes.map((node) => node.registry()));
    return registries.every(({ length }) => length === nodes.length);
  });
}

Deno.test({
  name: "five devices on hosts learn although the coordinator is killed and a cable is pulled",
  ignore,
  fn: (test) =>
    withFolder(async (folder) => {
      await using lab = await createLab({ hosts: NAMES.length });
      const nodes = await startAll(lab.hosts, NAMES, { folder });
      using resources = new DisposableStack();
      for (const node of nodes) resources.use(node);
      const [first, ...others] = nodes as [LabNode, ...LabNode[]];
      const nodeOf = (device: string | null) => nodes.find(({ id }) => id === device)!;
      let run = "";
      const runOn = (node: LabNode) => node.json<RunJson>(`/v1/learning/runs/${run}`);

      /** Waits until a round after `round` is under way on `observer`. */
      const underWay = (observer: LabNode, round: number) =>
        until(`round ${round + 1} under way`, ROUND_MS, async () => {
          const view = await runOn(observer);
          const busy = ["training", "collecting", "unmasking"].includes(view.phase);
          return view.round >= round && busy && view.coordinator !== null && view;
        });

      const result = (observer: LabNode, round: number) =>
        until(`the result of round ${round}`, ROUND_MS, async () =>
          (await runOn(observer)).round >= round);

      await step(test, "they form a mesh and begin a run", async () => {
        await pairAll(nodes);
        await Promise.all(nodes.map(givePictures));
        ({ run } = await first.json<RunJson>("/v1/learning/runs", RUN));
        for (const node of others) {
          await until(`the plan on ${node.name}`, 15_000, async () =>
            (await node.call(`/v1/learning/runs/${run}`)).status === 200);
          await node.json(`/v1/learning/runs/${run}/join`, {});
        }
      });

      let killed = first;
      await step(
        test,
        "a round whose coordinator is killed has its result all the same",
        async () => {
          const before = await underWay(others.at(-1)!, KILL_AFTER);
          killed = nodeOf(before.coordinator);
          await killed.kill();
          const observer = nodes.find((node) =>
            node !== killed
          )!;
          const replacedMs = await stopwatch(() =>
            until("another coordinator", ROUND_MS, async () => {
              const { coordinator } = await runOn(observer);
              return coordinator !== null && coordinator !== killed.id;
            })
          );
          const resultMs = await stopwatch(() =>
            result(observer, before.round + 1)
          );
          console.log(
            `killed while ${before.phase}: replaced after ${replacedMs} ms, the round's result ${resultMs} ms later`,
          );
        },
      );

      await step(
        test,
        "a device without its cable is waited for no longer than agreed",
        async () => {
          const [observer, ...rest] = nodes.filter((node) =>
            node !== killed
          ) as [LabNode, LabNode];
          const view = await underWay(observer, 0);
          const cut = rest.find(({ id }) => id !== view.coordinator)!;
          await cut.host.unplug();
          const ms = await stopwatch(() => result(observer, view.round + 1));
          console.log(`cut off while ${view.phase}: the round's result came after ${ms} ms`);
          await cut.host.plug();
          await killed.start();
        },
      );

      await step(
        test,
        "in the end all five have the same version, and it proves right",
        async () => {
          const views = await until("the end of the run on all five", 3 * ROUND_MS, async () => {
            const all = await Promise.all(nodes.map(runOn));
            return all.every(({ state, round }) => state === "finished" && round === ROUNDS) && all;
          });
          assert.equal(
            new Set(views.map(({ version }) => version)).size,
            1,
          );
          const { rounds } = await first.json<{ rounds: readonly RoundMetrics[] }>(
            `/v1/learning/runs/${run}/rounds`,
          );
          assert.deepEqual(
            rounds.map(({ round }) => round),
            Array.from({ length: ROUNDS }, (_, index) => index + 1),
          );
          assert(rounds.every(({ counted }) => counted >= 3));
          for (const node of nodes) {
            const { version } = views[0]!;
            const proof = await node.json<Verification>(`/v1/learning/models/${version}/verify`);
            assert(proof.valid, `${node.name}: ${JSON.stringify(proof.checks)}`);
          }
        },
      );
    }),
});
