/** Sums with one message a device: Paillier's encryption, held against python-paillier, and two servers. */
import assert from "node:assert/strict";
import fc from "fast-check";
import fixture from "../fixtures/learning/secure_paillier.json" with { type: "json" };
import type { SumOutcome, SumRefusal } from "../../learning/secure/contract.ts";
import { paillierModulus, paillierSum } from "../../learning/secure/paillier.ts";
import { type SecureSum, SUM_MODES } from "../../learning/secure/secure_sum.ts";
import { twoServerSum } from "../../learning/secure/two_servers.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { paillierPrimes } from "../../platform/paillier_primes.ts";
import type { Random } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { DeviceId } from "../../protocols/ids.ts";

const primes = { p: BigInt(fixture.p), q: BigInt(fixture.q) };
const deps = { crypto: nodeCrypto({ workersMax: 0 }), masks: nodeMaskStream() };
const salt = new Uint8Array(32).fill(3);
const names = Array.from(
  { length: 20 },
  (_, i) => String.fromCharCode(97 + i).repeat(52) as DeviceId,
);

function good<T>(outcome: SumOutcome<T>): T {
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.detail);
  return outcome.value;
}

function refusedAs(outcome: SumOutcome<unknown>, refusal: SumRefusal) {
  assert.ok(!outcome.ok, `expected ${refusal}`);
  assert.equal(outcome.refusal, refusal, outcome.detail);
}

/** Both modes for vectors of this size, as someone who may open sums has them. */
function sums(size: { length: number; bits: number; summandsMax: number }): SecureSum[] {
  return [
    twoServerSum({ ...size, salt }, deps),
    paillierSum({ ...size, n: paillierModulus(primes), primes }),
  ];
}

/** The whole way: every device contributes, every aggregator adds, somebody opens. */
function summed(sum: SecureSum, vectors: readonly Uint32Array[], random: Random): Uint32Array {
  const collectors = Array.from({ length: sum.aggregators }, (_, i) => sum.collector(i));
  vectors.forEach((vector, i) => {
    const parts = sum.contribute(vector, random);
    collectors.forEach((collector, at) => good(collector.add(names[i]!, parts[at]!)));
  });
  return good(sum.open(collectors.map((collector) => collector.total())));
}

Deno.test("both modes give the exact sum modulo 2^bits, whatever the numbers", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 8, max: 32 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 3, max: 6 }),
      fc.integer(),
      (bits, length, devices, seed) => {
        const random = seededRandom(seed);
        const vectors = Array.from(
          { length: devices },
          () =>
            new Uint32Array(length).map(() =>
              random.below(4) === 0 ? 2 ** bits - 1 : random.below(2 ** bits)
            ),
        );
        const expected = Array.from(
          { length },
          (_, i) => vectors.reduce((all, vector) => all + vector[i]!, 0) % 2 ** bits,
        );
        for (const sum of sums({ length, bits, summandsMax: devices })) {
          assert.ok(SUM_MODES.includes(sum.mode));
          assert.deepEqual([...summed(sum, vectors, random)], expected, sum.mode);
        }
      },
    ),
    { seed: 5, numRuns: 4 },
  );
});

Deno.test("ciphertexts are those of python-paillier, bit by bit, and their product opens to the sum", () => {
  const { bits, summandsMax, devices } = fixture;
  const length = devices[0]!.values.length;
  const sum = paillierSum({ length, bits, summandsMax, n: paillierModulus(primes), primes });
  const collector = sum.collector(0);
  devices.forEach(({ values, draws, part }, i) => {
    const left = draws.map((draw) => Uint8Array.fromHex(draw));
    const random = { bytes: () => left.shift()! } as unknown as Random;
    assert.equal(sum.contribute(Uint32Array.from(values), random)[0]!.toHex(), part);
    good(collector.add(names[i]!, Uint8Array.fromHex(part)));
  });
  const expected = Array.from(
    { length },
    (_, i) => devices.reduce((all, { values }) => all + values[i]!, 0) % 2 ** bits,
  );
  assert.deepEqual([...good(sum.open([collector.total()]))], expected);
});

Deno.test("without the primes sums can be added up, not opened", () => {
  const size = { length: 4, bits: 16, summandsMax: 3 };
  const sum = paillierSum({ ...size, n: paillierModulus(primes) });
  const total = { devices: names.slice(0, 3), bytes: new Uint8Array(512) };
  assert.throws(() => sum.open([total]), /does not hold the primes/);
});

Deno.test("parts of the wrong size, out of range, or the second of a device are refused and change nothing", () => {
  const size = { length: 4, bits: 13, summandsMax: 4 };
  for (const sum of sums(size)) {
    const random = seededRandom(1);
    const collectors = Array.from({ length: sum.aggregators }, (_, i) => sum.collector(i));
    for (const [i, name] of names.slice(0, 3).entries()) {
      const parts = sum.contribute(Uint32Array.from([i, 1, 2, 8_000]), random);
      collectors.forEach((collector, at) => good(collector.add(name, parts[at]!)));
      collectors.forEach((collector, at) =>
        refusedAs(collector.add(name, parts[at]!), "duplicate")
      );
    }
    for (const collector of collectors) {
      for (const length of [0, 3, 511, 513]) {
        refusedAs(collector.add(names[9]!, new Uint8Array(length)), "malformed");
      }
    }
    if (sum.mode === "paillier") {
      for (const bad of [new Uint8Array(512), new Uint8Array(512).fill(0xff)]) {
        refusedAs(collectors[0]!.add(names[9]!, bad), "malformed");
      }
      good(collectors[0]!.add(names[3]!, sum.contribute(new Uint32Array(4), random)[0]!));
      refusedAs(
        collectors[0]!.add(names[4]!, sum.contribute(new Uint32Array(4), random)[0]!),
        "wrongPhase",
      );
    }
    const totals = collectors.map((collector) => collector.total());
    assert.deepEqual([...good(sum.open(totals))], [3, 3, 6, 24_000 % 8_192]);
    refusedAs(sum.open([]), "malformed");
    refusedAs(
      sum.open(totals.map((total) => ({ ...total, bytes: total.bytes.slice(1) }))),
      "malformed",
    );
    refusedAs(
      sum.open(totals.map((total) => ({ ...total, devices: names.slice(0, 2) }))),
      "tooFew",
    );
    if (sum.aggregators === 2) {
      refusedAs(
        sum.open([totals[0]!, { ...totals[1]!, devices: names.slice(1, 4) }]),
        "otherSurvivors",
      );
    }
  }
});

Deno.test("what one of two servers gets says nothing: with another seed it would be the part of any other vector", () => {
  const sum = twoServerSum({ length: 8, bits: 16, salt }, deps);
  const one = sum.contribute(new Uint32Array(8), seededRandom(1))[0]!;
  const two = sum.contribute(new Uint32Array(8), seededRandom(2))[0]!;
  assert.notDeepEqual(one, two);
  assert.notDeepEqual(one, new Uint8Array(16));
});

Deno.test("primes that the host draws make a key of the wanted size, and unfit ones are refused", () => {
  const fresh = paillierPrimes(2_048);
  assert.equal(paillierModulus(fresh).toString(2).length, 2_048);
  assert.throws(() => paillierModulus({ p: primes.p, q: primes.p }), /Cannot make a Paillier key/);
  assert.throws(() => paillierModulus({ p: 3n, q: 5n }), /expected two of 1024 or of 1536 bits/);
  assert.throws(() => paillierSum({ length: 1, bits: 16, summandsMax: 3, n: 15n }), /4 bits/);
  assert.throws(() => twoServerSum({ length: 70_000, bits: 16, salt }, deps), /1 to 65536/);
});
