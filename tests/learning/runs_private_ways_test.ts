/** A privacy that cannot be had is refused with what could be, and each way that is named is one: whoever takes it is not refused again. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { refusalInGerman } from "../../cli/texts/refusals_de.ts";
import { type NewRun, planRun } from "../../learning/runs/new_run.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { ENGLISH } from "../cli/sentences_in.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const devices = Array.from({ length: 10_300 }, (_, i) => {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, i);
  return deviceIdOf(key);
});

interface Given {
  readonly members: number;
  /** What the device allows in all. */
  readonly epsilonMax?: number;
}

/** Why there is no plan; undefined when there is one, and the device's budget is for it. */
function refusal(wish: Partial<NewRun>, { members, epsilonMax = 10 }: Given): string | undefined {
  const outcome = planRun({ task: "mnist", ...wish }, {
    tasks: TASKS,
    crypto,
    members: devices.slice(0, members),
    seed: new Uint8Array(32),
    epsilonMax,
  });
  if (outcome.type === "impossible") return outcome.message;
  const { privacy } = outcome.opened.plan;
  return privacy !== null && privacy.epsilonMax > epsilonMax
    ? "the budget is too small"
    : undefined;
}

/** What a refusal names, as other wishes. */
function waysOf(message: string, wish: Partial<NewRun>): (Partial<NewRun> & Partial<Given>)[] {
  const [, possible, byHand] =
    /; possible would be (.*?)(?:; to run it all the same, state noiseMultiplier (\S+) yourself)?$/
      .exec(message) ?? [];
  assert.ok(possible !== undefined, message);
  const privacy = wish.privacy!;
  const ways: (Partial<NewRun> & Partial<Given>)[] = [];
  if (byHand !== undefined) ways.push({ privacy: { ...privacy, noiseMultiplier: Number(byHand) } });
  if (possible.startsWith("nothing near it: ")) {
    assert.match(possible, /too few|it would take epsilon \S+, and this device|no noise is enough/);
    return ways;
  }
  for (const way of possible.split(", or ")) {
    const [, number, unit] = /^(\d+) (members|rounds?)$/.exec(way) ?? [];
    const [, option, chosen = ""] = /^option (\w+)=(\w+)$/.exec(way) ?? [];
    const [, name, value] = /^(epsilon|noiseMultiplier) (\S+)$/.exec(way) ?? [];
    if (number !== undefined) ways.push({ [unit === "members" ? unit : "rounds"]: Number(number) });
    else if (option !== undefined) {
      const size = { [option]: /^\d+$/.test(chosen) ? Number(chosen) : chosen };
      ways.push({ options: { ...wish.options, ...size } });
    } else {
      assert.ok(name !== undefined, message);
      ways.push({ privacy: { ...privacy, [name]: Number(value) } });
    }
  }
  return ways;
}

const EPSILON_1: Partial<NewRun> = { privacy: { epsilon: 1, clip: 1 } };

Deno.test("four devices are told that nothing near ε = 1 is possible, and why", () => {
  assert.equal(
    refusal(EPSILON_1, { members: 4 }),
    "Cannot plan the run: this privacy would take noise 903 times as long as all that 4 devices can learn in 50 rounds; " +
      "possible would be nothing near it: 1024 devices, the most that a round may have, are too few; " +
      "it would take epsilon 26300, and this device allows 10 in all; to run it all the same, state noiseMultiplier 28.7 yourself",
  );
});

Deno.test("a thousand devices are told a smaller model and a larger ε; a round never counts on more devices than it may have", () => {
  for (const members of [1_000, 1_024, 3_612]) {
    const message = refusal(EPSILON_1, { members })!;
    assert.match(message, /possible would be epsilon [\d.]+, or option model=residual;/);
  }
});

Deno.test("the noise that is told is the one that is judged", () => {
  for (let members = 380; members < 560; members += 20) {
    const message = refusal(
      { ...EPSILON_1, options: { model: "softmax" }, rounds: 10 },
      { members },
    );
    const [, share] = /noise (\S+) times as long/.exec(message ?? "") ?? [];
    if (message !== undefined) assert.ok(Number(share) > 1, message);
    assert.equal(message === undefined, members >= 527);
  }
});

const seldom = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
/** Spread evenly over the powers of ten from `low` to `high`. */
const power = (low: number, high: number) =>
  fc.integer({ min: 50 * low, max: 50 * high }).map((exponent) =>
    Number((10 ** (exponent / 50)).toPrecision(3))
  );
const wishes = fc.record({
  task: fc.constantFrom("mnist", "mnist", "sensors"),
  aggregation: fc.constantFrom(...["secure", "secureGroups", "clear", undefined] as const),
  model: fc.constantFrom("softmax", "2nn", "residual"),
  rounds: fc.integer({ min: 1, max: 200 }),
  participants: seldom(fc.record({
    fraction: fc.constantFrom(1, 0.5, 0.1),
    least: seldom(fc.integer({ min: 3, max: 60 })),
    most: seldom(fc.integer({ min: 60, max: 1_024 })),
  })),
  privacy: fc.record({
    epsilon: power(-2, 4.5),
    clip: power(-1, 1),
    delta: seldom(power(-9, -2)),
    noiseMultiplier: seldom(power(-1, 2)),
    clipQuantile: seldom(fc.constant(0.5)),
  }),
}).map(({ model, ...wish }) =>
  wish.task === "mnist" ? { ...wish, options: { model } } : wish
) as fc.Arbitrary<Partial<NewRun>>;
const given = fc.record({
  members: fc.oneof(fc.integer({ min: 1, max: 1_300 }), fc.integer({ min: 2, max: 40 })),
  epsilonMax: fc.constantFrom(1, 10, 1_000, 1e6),
});

Deno.test("whoever takes a way that a refusal names is not refused again", () => {
  const named = new Map<string, number>();
  fc.assert(
    fc.property(wishes, given, (wish, { members, epsilonMax }) => {
      // What the device's budget does not allow, it refuses before.
      fc.pre(wish.privacy!.epsilon <= epsilonMax);
      const message = refusal(wish, { members, epsilonMax });
      if (message === undefined || !/this privacy|that is no privacy|more than/.test(message)) {
        return;
      }
      assert.doesNotMatch(refusalInGerman(message).replaceAll(/--\w+/g, ""), ENGLISH, message);
      for (const { members: more = members, ...change } of waysOf(message, wish)) {
        const kind = more === members ? Object.keys(change).join() : "members";
        named.set(kind, (named.get(kind) ?? 0) + 1);
        const then = refusal({ ...wish, ...change }, { members: more, epsilonMax });
        assert.equal(then, undefined, `${message}: ${JSON.stringify(change)} ${more}`);
      }
    }),
    { numRuns: 120, seed: 7 },
  );
  assert.deepEqual([...named.keys()].sort(), ["members", "options", "privacy", "rounds"]);
  for (const [kind, times] of named) assert.ok(times >= 3, `${kind} ${times}`);
});
