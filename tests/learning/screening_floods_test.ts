/** Against floods: who may submit and how often, proofs of work, and what a fault costs in reputation. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { Admission, ADMISSION_DEFAULTS } from "../../learning/screening/admission.ts";
import {
  leadingZeroBits,
  provesWork,
  searchWork,
  type WorkSubject,
} from "../../learning/screening/proof_of_work.ts";
import {
  isProvable,
  reputationDeltas,
  type RoundFault,
} from "../../learning/screening/reputation_effects.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";

const LIMITS = {
  submissionBytesMax: 100,
  waitingBytesMax: 250,
  offersPerMinute: 6,
  burst: 3,
  devicesMax: 4,
};

function doorOf(...asked: string[]): Admission {
  const door = new Admission(LIMITS);
  door.begin(7, asked);
  return door;
}

function reasonOf(outcome: ReturnType<Admission["offer"]>): string {
  return outcome.type === "admitted" ? "admitted" : outcome.reason;
}

Deno.test("a device that was asked is admitted once a round, if its submission is not too large", () => {
  const door = doorOf("a", "b");
  const offer = (device: string, bytes = 10, round = 7) =>
    reasonOf(door.offer({ device, round, bytes, nowMs: 0 }));
  assert.equal(offer("a"), "admitted");
  assert.equal(offer("a"), "twice");
  assert.equal(offer("stranger"), "notAsked");
  assert.equal(offer("b", 101), "tooLarge");
  assert.equal(offer("b", 10, 6), "wrongRound");
  assert.equal(offer("b", 100), "admitted");
  door.begin(8, ["a"]);
  assert.equal(offer("a", 10, 8), "admitted");
});

Deno.test("sizes that are no sizes are refused", () => {
  for (const bytes of [NaN, -1, Infinity]) {
    assert.equal(
      reasonOf(doorOf("a").offer({ device: "a", round: 7, bytes, nowMs: 0 })),
      "tooLarge",
    );
  }
});

Deno.test("a device that offers faster than its rate is put off, and may again when time has passed", () => {
  const door = doorOf("a");
  const offer = (nowMs: number) => reasonOf(door.offer({ device: "a", round: 1, bytes: 1, nowMs }));
  assert.deepEqual([0, 0, 0, 0].map(offer), [
    "wrongRound",
    "wrongRound",
    "wrongRound",
    "rateLimited",
  ]);
  assert.equal(offer(9_999), "rateLimited");
  assert.equal(offer(19_000), "wrongRound");
  assert.equal(offer(19_000), "rateLimited");
});

Deno.test("what waits is bounded; who came when it was full may offer again", () => {
  const door = doorOf("a", "b", "c");
  const offer = (device: string) =>
    reasonOf(door.offer({ device, round: 7, bytes: 100, nowMs: 0 }));
  assert.deepEqual(["a", "b", "c"].map(offer), ["admitted", "admitted", "full"]);
  assert.equal(door.waitingBytes, 200);
  door.done("a", 100, { again: false });
  assert.equal(offer("c"), "admitted");
  assert.equal(offer("a"), "twice");
  door.done("b", 100, { again: true });
  assert.equal(offer("b"), "admitted");
});

Deno.test("whatever strangers send, tables and waiting bytes stay within their limits", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = seededRandom(seed);
      const door = doorOf("device 1", "device 2", "device 3");
      let nowMs = 0;
      for (let i = 0; i < 300; i++) {
        nowMs += random.below(3_000);
        const device = `device ${random.below(50)}`;
        const bytes = random.below(200);
        const outcome = door.offer({ device, round: 7, bytes, nowMs });
        if (outcome.type === "admitted" && random.below(2) === 0) {
          door.done(device, bytes, { again: true });
        }
        assert.ok(door.waitingBytes <= LIMITS.waitingBytesMax);
        assert.ok(door.remembered <= LIMITS.devicesMax);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("limits that are none are refused", () => {
  assert.throws(() => new Admission({ ...ADMISSION_DEFAULTS, submissionBytesMax: 0 }));
  assert.throws(() => new Admission({ ...ADMISSION_DEFAULTS, submissionBytesMax: 1, burst: 0.5 }));
});

const SUBJECT: WorkSubject = {
  run: new Uint8Array(32).fill(1),
  round: 0x01020304,
  device: new Uint8Array(32).fill(2),
  submission: new Uint8Array(32).fill(3),
};

Deno.test("a searched proof of work holds, by a hash that anyone can make, and for nothing else", () => {
  const crypto = nodeCrypto();
  try {
    let from = 0;
    let nonce: number | undefined;
    while (nonce === undefined) {
      const search = searchWork(crypto, SUBJECT, { bits: 10, from, tries: 100 });
      if (search.type === "found") nonce = search.nonce;
      else {
        assert.equal(search.from, from + 100);
        from = search.from;
      }
    }
    const hash = createHash("sha256").update("kiana submission work v1\0").update(SUBJECT.run)
      .update(Uint8Array.of(4, 3, 2, 1)).update(SUBJECT.device).update(SUBJECT.submission)
      .update(new Uint8Array(new BigUint64Array([BigInt(nonce)]).buffer)).digest();
    assert.ok(leadingZeroBits(hash) >= 10);
    const proves = (subject: WorkSubject, bits = 10) =>
      provesWork(crypto, subject, { nonce: nonce!, bits });
    assert.ok(proves(SUBJECT));
    assert.ok(!proves(SUBJECT, 60));
    const other = new Uint8Array(32).fill(4);
    for (const change of [{ run: other }, { round: 5 }, { device: other }, { submission: other }]) {
      assert.ok(!proves({ ...SUBJECT, ...change }), JSON.stringify(Object.keys(change)));
    }
    for (const bad of [-1, 1.5, NaN, 2 ** 53]) {
      assert.ok(!provesWork(crypto, SUBJECT, { nonce: bad, bits: 0 }));
    }
    assert.ok(provesWork(crypto, SUBJECT, { nonce: 2 ** 52 + 1, bits: 0 }));
    assert.throws(() => searchWork(crypto, SUBJECT, { bits: 25, from: 0, tries: 1 }), /25 bits/);
  } finally {
    crypto.close();
  }
});

Deno.test("leading zero bits are counted from the most significant bit of the first byte", () => {
  assert.deepEqual(
    [[0x80], [0x40], [0x01], [0, 0x80], [0, 0x0f], [0, 0]].map((bytes) =>
      leadingZeroBits(Uint8Array.from(bytes))
    ),
    [0, 1, 7, 8, 12, 16],
  );
});

Deno.test("only faults that a signature proves cost reputation, each kind once a round", () => {
  const fault = (device: string, kind: RoundFault) => ({ device, fault: kind });
  const deltas = reputationDeltas([
    fault("liar", "twoSubmissions"),
    fault("liar", "notFinite"),
    fault("liar", "notFinite"),
    fault("slow", "absent"),
    fault("odd", "outlier"),
    fault("behind a bad line", "damaged"),
    fault("eager", "rateLimited"),
    fault("careless", "noWork"),
  ]);
  assert.deepEqual(deltas, new Map([["liar", -60], ["careless", -5]]));
  assert.ok(isProvable("forgedShare") && !isProvable("outlier"));
});
