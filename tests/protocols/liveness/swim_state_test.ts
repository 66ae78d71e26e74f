import assert from "node:assert/strict";
import fc from "fast-check";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import { digestOf } from "../../../protocols/liveness/digest.ts";
import { ACCUSERS_MAX, type Rumour, RUMOUR_STATES } from "../../../protocols/liveness/messages.ts";
import { mergeRumours, refutingIncarnation } from "../../../protocols/liveness/swim_state.ts";

const ids = Array.from({ length: 8 }, (_, i) => deviceIdOf(new Uint8Array(32).fill(i))).sort();
const subject = ids[0]!;

const rumours: fc.Arbitrary<Rumour> = fc.record({
  state: fc.constantFrom(...RUMOUR_STATES),
  incarnation: fc.integer({ min: 0, max: 3 }),
  accusers: fc.uniqueArray(fc.constantFrom(...ids), { minLength: 1, maxLength: ACCUSERS_MAX }),
}).map(({ state, incarnation, accusers }) => ({
  subject,
  state,
  incarnation,
  accusers: state === "suspect" ? accusers.sort() : [],
}));

Deno.test("the order of rumours makes no difference, nor does hearing them twice", () => {
  fc.assert(fc.property(
    fc.array(rumours, { minLength: 1, maxLength: 8 }).chain((all) =>
      fc.tuple(
        fc.constant(all),
        fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 }),
      )
    ),
    ([all, shuffled]) => assert.deepEqual(mergeAll(shuffled), mergeAll(all)),
  ));
});

Deno.test("merging is commutative, associative and idempotent", () => {
  fc.assert(fc.property(rumours, rumours, rumours, (a, b, c) => {
    assert.deepEqual(mergeRumours(a, b), mergeRumours(b, a));
    assert.deepEqual(mergeRumours(mergeRumours(a, b), c), mergeRumours(a, mergeRumours(b, c)));
    assert.equal(mergeRumours(a, a), a);
  }));
});

Deno.test("a belief never falls back", () => {
  const weight = ({ incarnation, state, accusers }: Rumour): number =>
    incarnation * 100 + RUMOUR_STATES.indexOf(state) * 10 + accusers.length;
  fc.assert(fc.property(rumours, rumours, (known, heard) => {
    assert.ok(weight(mergeRumours(known, heard)) >= weight(known));
  }));
});

Deno.test("what is no news is the same object, so that it is told to nobody", () => {
  const known: Rumour = { subject, state: "suspect", incarnation: 2, accusers: [ids[1]!, ids[2]!] };
  assert.equal(mergeRumours(known, { ...known, accusers: [ids[2]!] }), known);
  assert.equal(
    mergeRumours(known, { ...known, incarnation: 1, state: "dead", accusers: [] }),
    known,
  );
  assert.notEqual(mergeRumours(known, { ...known, accusers: [ids[3]!] }), known);
});

Deno.test("the accused outlives every accusation that it has heard of", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 5 }), rumours, (own, heard) => {
    const incarnation = refutingIncarnation(own, heard);
    const refuted: Rumour = {
      subject,
      state: "alive",
      incarnation: incarnation ?? own,
      accusers: [],
    };
    const after = mergeRumours(heard, refuted);
    assert.equal(after.state, "alive");
    assert.ok((incarnation ?? own) >= own);
  }));
});

Deno.test("digests are equal for equal beliefs in any order, and differ where they do; a suspicion passes", () => {
  const beliefs: Rumour[] = ids.map((id, i) => ({
    subject: id,
    state: i % 2 === 0 ? "alive" : "dead",
    incarnation: i,
    accusers: [],
  }));
  const digest = digestOf(beliefs);
  assert.deepEqual(digestOf(beliefs.toReversed()), digest);
  const changed = (change: Partial<Rumour>): unknown =>
    digestOf(beliefs.with(2, { ...beliefs[2]!, ...change }));
  assert.notDeepEqual(changed({ state: "left" }), digest);
  assert.notDeepEqual(changed({ state: "dead" }), digest);
  assert.notDeepEqual(changed({ incarnation: 9 }), digest);
  assert.deepEqual(changed({ state: "suspect", accusers: [ids[5] as DeviceId] }), digest);
});

function mergeAll(all: readonly Rumour[]): Rumour {
  return all.reduce<Rumour | null>((known, heard) => mergeRumours(known, heard), null)!;
}
