/** Against floods: proofs of work, and what a fault costs in reputation. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
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
    fault("odd", "outlier"),
    fault("eager", "rateLimited"),
    fault("careless", "misshapen"),
  ]);
  assert.deepEqual(deltas, new Map([["liar", -60], ["careless", -10]]));
  assert.ok(isProvable("forgedShare") && !isProvable("outlier"));
});
