/** The world by itself: order, determinism, power loss, and a thousand nodes in one process. */
import assert from "node:assert/strict";
import type { Behaviour, Ref } from "../../actors/kernel/actor.ts";
import { ActorSystem } from "../../actors/kernel/system.ts";
import { EventQueue } from "../../simulation/event_queue.ts";
import { World } from "../../simulation/world.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

Deno.test("events happen by time, equal times in the order in which they were asked for", () => {
  const queue = new EventQueue();
  const random = seededRandom("queue");
  const expected: [number, number][] = [];
  const cancels: (() => void)[] = [];
  for (let i = 0; i < 5000; i++) {
    const atMs = random.below(50);
    const cancel = queue.add(atMs, "x", () => {});
    if (i % 3 === 0) cancels.push(cancel);
    else expected.push([atMs, i]);
  }
  for (const cancel of cancels) cancel();
  for (const cancel of cancels) cancel();
  assert.equal(queue.size, expected.length);
  expected.sort(([a, i], [b, j]) => a - b || i - j);
  const got: [number, number][] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) {
    got.push([next.event.atMs, next.event.sequence]);
  }
  assert.deepEqual(got, expected);
});

Deno.test("outcomes of tasks come in the order of the tasks, whichever settled first", async () => {
  const world = new World({ seed: 1 });
  const device = world.addDevice("a");
  device.slowness = 0;
  const seen: unknown[] = [];
  let finishSecond = (): void => {};
  const second = new Promise<void>((resolve) => finishSecond = resolve);
  device.perform(async () => {
    await second;
    return "first";
  }, (outcome) => seen.push(outcome.ok && outcome.value));
  device.perform(() => {
    finishSecond();
    return "second";
  }, (outcome) => seen.push(outcome.ok && outcome.value));
  await world.advance(10);
  assert.deepEqual(seen, ["first", "second"]);
});

Deno.test("after a loss of power nothing of the old life happens: timers, turns, outcomes", async () => {
  const world = new World({ seed: 1 });
  const device = world.addDevice("a");
  const seen: string[] = [];
  device.schedule(10, () => seen.push("timer"));
  device.perform(() => 1, () => seen.push("outcome"));
  device.ready({
    run() {
      seen.push("turn");
      return false;
    },
  });
  device.losePower();
  await world.advance(100);
  assert.deepEqual(seen, []);
});

Deno.test("clocks may run fast, slow or jump, but monotonic time never goes back", async () => {
  const world = new World({ seed: 1 });
  const device = world.addDevice("a");
  let last = 0;
  for (const rate of [1, 1.02, 0.98, 1]) {
    device.rate = rate;
    device.wallSkewMs = -rate * 1_000_000;
    assert.ok(device.monotonicMs() >= last);
    last = device.monotonicMs();
    await world.advance(1_000);
    assert.ok(Math.abs(device.monotonicMs() - last - 1_000 * rate) < 1e-6);
  }
});

Deno.test("the world refuses to be advanced by two at once", async () => {
  const world = new World({ seed: 1 });
  world.addDevice("a").perform(() => Promise.resolve(), () => {});
  const first = world.advance(10);
  await assert.rejects(world.advance(10), /someone else/);
  await first;
});

Deno.test("a thousand nodes: equal seeds give equal traces, other seeds others", async () => {
  const [first, again, other] = [
    await gossip(7, 1_000),
    await gossip(7, 1_000),
    await gossip(8, 1_000),
  ];
  assert.deepEqual(first, again);
  assert.notEqual(first.trace, other.trace);
  assert.equal(first.reached, 1_000);
});

Deno.test("the same seed gives the same trace in another process", async () => {
  const run = async (seed: number): Promise<unknown> => {
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "simulation/main.ts", "--scenario", "calm"]
        .concat(["--seeds", "1", "--seed", String(seed), "--nodes", "3", "--json"]),
    }).output();
    assert.ok(success);
    return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
  };
  const [first, again, other] = await Promise.all([run(11), run(11), run(12)]);
  assert.deepEqual(first, again);
  assert.notDeepEqual(first, other);
});

/** A rumour over random links, with tasks and timers on the way. */
async function gossip(
  seed: number,
  nodes: number,
): Promise<{ trace: string; steps: number; reached: number }> {
  const world = new World({ seed });
  const heard = new Set<number>();
  const systems: ActorSystem[] = [];
  const refs: Ref<string>[] = [];
  for (let i = 0; i < nodes; i++) {
    const device = world.addDevice(`n${i}`);
    const system = new ActorSystem({
      clock: device,
      random: device.random,
      log: device.log,
      dispatcher: device,
    });
    systems.push(system);
    refs.push(system.spawn("rumour", rumour(i)));
  }
  function rumour(index: number): Behaviour<string, { told: boolean }> {
    return {
      name: "rumour",
      init: () => ({ told: false }),
      receive(context, state, command) {
        if (command === "heard" && !state.told) {
          state.told = true;
          heard.add(index);
          context.perform(() => Promise.resolve(1), () => "verified");
        } else if (command === "verified") {
          context.startTimer("tell", context.random.below(20), "tell");
        } else if (command === "tell") {
          for (let k = 0; k < 12; k++) {
            const to = context.random.below(nodes);
            world.after(1 + context.random.float() * 10, "rumour", () => {
              systems[to]!.tell(refs[to]!, "heard");
            });
          }
        }
      },
    };
  }
  systems[0]!.tell(refs[0]!, "heard");
  await world.advance(5_000);
  return { trace: world.trace.digest(), steps: world.steps, reached: heard.size };
}
