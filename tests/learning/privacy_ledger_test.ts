/** The ledger: charged once, never past a limit, and the same after any interruption. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  charge,
  chargedRounds,
  COST_UNITS,
  type Ledger,
  openLedger,
  openRun,
  type RunTerms,
  spentOf,
  withLimit,
} from "../../learning/privacy/ledger.ts";
import { decodeLedger, encodeLedger } from "../../learning/privacy/ledger_codec.ts";
import { epsilonOf } from "../../learning/privacy/accountant.ts";
import { RDP_ORDERS } from "../../learning/privacy/rdp.ts";
import { encodeCanonical } from "../../protocols/codec.ts";

const LIMIT = { epsilon: 4, delta: 1e-5 };

function terms(run: string, sigma: number, epsilon = 3, rate = 1): RunTerms {
  return {
    run,
    limit: { epsilon, delta: 1e-5 },
    mechanism: { kind: "gaussian", noiseMultiplier: sigma },
    sampling: { rate },
  };
}

function opened(ledger: Ledger, run: RunTerms): Ledger {
  const outcome = openRun(ledger, run);
  assert(outcome.type === "opened", outcome.type);
  return outcome.ledger;
}

function charged(ledger: Ledger, run: string, round: number): Ledger {
  const outcome = charge(ledger, run, round);
  assert(outcome.type === "charged", outcome.type);
  return outcome.ledger;
}

Deno.test("a round costs what the accountant says, and the second one more", () => {
  let ledger = opened(openLedger(LIMIT), terms("a", 10));
  for (const rounds of [1, 2, 3]) {
    ledger = charged(ledger, "a", rounds);
    const expected = epsilonOf(
      { samplingRate: 1, noiseMultiplier: 10, steps: rounds, delta: 1e-5 },
      "rdp",
    );
    const spent = spentOf(ledger, "a");
    assert(spent.run >= expected && spent.run < expected + 1e-9, `${spent.run} for ${expected}`);
    assert.equal(spent.device, spent.run);
  }
});

Deno.test("the same round is charged once, whatever came between", () => {
  const ledger = charged(charged(opened(openLedger(LIMIT), terms("a", 10)), "a", 5), "a", 2);
  const again = charge(ledger, "a", 5);
  assert.equal(again.type, "alreadyCharged");
  assert.equal(again.type === "alreadyCharged" && again.ledger, ledger);
});

Deno.test("a round beyond the run's limit is refused, with what would be possible", () => {
  const opening = openRun(openLedger(LIMIT), terms("a", 5));
  assert(opening.type === "opened");
  const possible = opening.roundsPossible;
  let { ledger } = opening;
  assert(possible > 3 && possible < 100, `${possible}`);
  for (let round = 0; round < possible; round++) ledger = charged(ledger, "a", round);
  const refused = charge(ledger, "a", possible);
  assert(refused.type === "refused");
  assert.equal(refused.reason, "runLimit");
  assert.equal(refused.roundsLeft, 0);
  assert(refused.wouldBe.run > 3 && spentOf(ledger, "a").run <= 3);
  // What was paid for may still be sent again.
  assert.equal(charge(ledger, "a", 0).type, "alreadyCharged");
});

Deno.test("several runs together stay within the device's limit", () => {
  let ledger = openLedger(LIMIT);
  ledger = opened(opened(ledger, terms("a", 5)), terms("b", 5));
  let rounds = 0;
  let reason = "";
  for (; rounds < 100 && reason === ""; rounds++) {
    const outcome = charge(ledger, rounds % 2 === 0 ? "a" : "b", rounds);
    if (outcome.type === "charged") ledger = outcome.ledger;
    else if (outcome.type === "refused") reason = outcome.reason;
  }
  assert.equal(reason, "deviceLimit");
  assert(spentOf(ledger).device <= LIMIT.epsilon);
  assert(spentOf(ledger, "a").run < 3);
  // The owner allows more: it goes on from what was spent.
  const more = withLimit(ledger, { epsilon: 100, delta: 1e-5 });
  assert.equal(charge(more, "a", 1_000).type, "charged");
});

Deno.test("a run that cannot be finished is not begun", () => {
  const ledger = openLedger(LIMIT);
  const refused = openRun(ledger, terms("a", 5), 1_000);
  assert(refused.type === "refused" && refused.reason === "runLimit");
  assert(refused.roundsLeft > 3 && refused.roundsLeft < 100);
  const possible = openRun(ledger, terms("a", 5), refused.roundsLeft);
  assert(possible.type === "opened" && possible.roundsPossible === refused.roundsLeft);
  const mute = openRun(ledger, terms("silent", 0));
  assert(mute.type === "refused" && mute.wouldBe.run === Infinity);
});

Deno.test("a run taken up again keeps what was charged, and cannot become cheaper", () => {
  const ledger = charged(opened(openLedger(LIMIT), terms("a", 10)), "a", 0);
  const again = openRun(ledger, terms("a", 10));
  assert(again.type === "opened" && again.ledger === ledger);
  const cheaper = openRun(ledger, terms("a", 20));
  assert(cheaper.type === "refused" && cheaper.reason === "termsChanged");
  assert(charge(ledger, "other", 0).type === "refused");
});

Deno.test("with secret sampling every round up to the asked one is paid for", () => {
  const ledger = charged(opened(openLedger(LIMIT), terms("a", 1, 3, 0.01)), "a", 99);
  assert.equal(chargedRounds(ledger.runs[0]!), 100);
  const expected = epsilonOf(
    { samplingRate: 0.01, noiseMultiplier: 1, steps: 100, delta: 1e-5 },
    "rdp",
  );
  assert(Math.abs(spentOf(ledger, "a").run - expected) < 1e-9);
  assert.equal(charge(ledger, "a", 7).type, "alreadyCharged");
});

const command = fc.record({
  run: fc.constantFrom("a", "b", "c"),
  round: fc.integer({ min: 0, max: 40 }),
});

Deno.test("no order of rounds passes a limit, charges twice, or depends on interruptions", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      let ledger = openLedger(LIMIT);
      for (const [run, sigma, rate] of [["a", 6, 1], ["b", 3, 0.05], ["c", 20, 1]] as const) {
        ledger = opened(ledger, terms(run, sigma, 2, rate));
      }
      const paid = new Map<string, Set<number>>();
      for (const { run, round } of commands) {
        const before = spentOf(ledger, run);
        // A crash after every step: what was stored is all there is.
        const stored = decodeLedger(encodeLedger(ledger));
        assert(stored.ok);
        assert.deepEqual(stored.message, ledger);
        const outcome = charge(stored.message, run, round);
        assert.deepEqual(outcome, charge(ledger, run, round));
        const known = paid.get(run) ?? new Set();
        paid.set(run, known);
        if (outcome.type === "refused") {
          assert(outcome.wouldBe.run > 2 || outcome.wouldBe.device > LIMIT.epsilon);
          continue;
        }
        assert.equal(outcome.type === "alreadyCharged", known.has(round));
        for (let r = run === "b" ? 0 : round; r <= round; r++) known.add(r);
        ledger = outcome.ledger;
        const after = spentOf(ledger, run);
        assert(after.run <= 2 && after.device <= LIMIT.epsilon);
        if (outcome.type === "charged") {
          assert(after.run > before.run && after.device >= before.device);
        } else assert.deepEqual(after, before);
        for (const one of ledger.runs) {
          assert.equal(chargedRounds(one), paid.get(one.run)?.size ?? 0);
        }
      }
      // Another order of the same rounds has the same bytes, where nothing was refused.
      let reversed = openLedger(LIMIT);
      for (const one of ledger.runs) {
        reversed = { ...reversed, runs: [...reversed.runs, { ...one, rounds: [] }] };
      }
      for (const { run, rounds } of ledger.runs) {
        for (const [first, last] of rounds.toReversed()) {
          for (let r = last; r >= first; r--) {
            const outcome = charge(reversed, run, r);
            if (outcome.type === "charged") {
              reversed = outcome.ledger;
            }
          }
        }
      }
      assert.deepEqual(encodeLedger(reversed), encodeLedger(ledger));
    }),
    { numRuns: 30, seed: 7 },
  );
});

Deno.test("a ledger reads back from its bytes and from JSON, bit by bit", () => {
  let ledger = opened(openLedger({ epsilon: 0.1 + 0.2, delta: 1e-7 }), terms("a", 123.456));
  for (const round of [0, 1, 2, 7, 9]) ledger = charged(ledger, "a", round);
  const bytes = encodeLedger(ledger);
  const read = decodeLedger(bytes);
  assert(read.ok);
  assert.deepEqual(read.message, ledger);
  assert.deepEqual(encodeLedger(read.message), bytes);
  assert.deepEqual(JSON.parse(JSON.stringify(ledger)), ledger);
  assert.deepEqual(ledger.runs[0]!.rounds, [[0, 2], [7, 7], [9, 9]]);
});

Deno.test("bytes that are no ledger of this version are refused", () => {
  const good = opened(openLedger(LIMIT), terms("a", 5));
  const plain = {
    version: 1,
    limit: { epsilon: "4", delta: "0.00001" },
    runs: [{
      run: "a",
      limit: { epsilon: "3", delta: "0.00001" },
      sampled: false,
      roundCost: good.runs[0]!.roundCost,
      rounds: [[0, 2], [4, 4]],
    }],
  };
  assert(decodeLedger(encodeCanonical(plain)).ok);
  const [run] = plain.runs;
  for (
    const wrong of [
      { ...plain, version: 2 },
      { ...plain, limit: { epsilon: "0", delta: "0.5" } },
      { ...plain, limit: { epsilon: "4.0", delta: "0.5" } },
      { ...plain, limit: { epsilon: "NaN", delta: "0.5" } },
      { ...plain, runs: [run, run] },
      { ...plain, runs: [{ ...run, roundCost: [1, 2] }] },
      { ...plain, runs: [{ ...run, rounds: [[3, 2]] }] },
      { ...plain, runs: [{ ...run, rounds: [[0, 2], [3, 3]] }] },
      { ...plain, runs: [{ ...run, rounds: [[5, 6], [1, 2]] }] },
      { ...plain, extra: 1 },
    ]
  ) {
    assert(!decodeLedger(encodeCanonical(wrong)).ok, JSON.stringify(wrong).slice(0, 80));
  }
  assert(!decodeLedger(encodeLedger(good).subarray(1)).ok);
  assert(!decodeLedger(new Uint8Array(0)).ok);
});

Deno.test("version 1 of the ledger means these orders and this unit", () => {
  // Changing them silently would turn stored costs into other costs.
  assert.equal(RDP_ORDERS.length, 171);
  assert.equal(RDP_ORDERS.reduce((sum, order) => sum + order, 0).toFixed(2), "8922.06");
  assert.equal(COST_UNITS, 2 ** 40);
});

Deno.test("limits without sense are refused by name", () => {
  assert.throws(() => openLedger({ epsilon: 0, delta: 1e-5 }), /ε is 0, expected/);
  assert.throws(() => openLedger({ epsilon: 1, delta: 1 }), /δ is 1, expected/);
  assert.throws(() => charge(openLedger(LIMIT), "a", -1), /round -1, expected/);
});
