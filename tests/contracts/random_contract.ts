/** What every Random must do. */
import assert from "node:assert/strict";
import type { Random } from "../../platform/ports.ts";

/** Runs the suite. */
export function randomContract(name: string, make: () => Random): void {
  Deno.test(`${name}: bytes have the length asked for and are not constant`, () => {
    const random = make();
    for (const count of [0, 1, 3, 32, 65_536]) assert.equal(random.bytes(count).length, count);
    assert.notDeepEqual(random.bytes(32), random.bytes(32));
    for (const count of [-1, 1.5, 65_537]) assert.throws(() => random.bytes(count), /count is/);
  });

  Deno.test(`${name}: draws stay in their bounds`, () => {
    const random = make();
    for (let i = 0; i < 2_000; i++) {
      const word = random.uint32();
      assert.ok(Number.isInteger(word) && word >= 0 && word < 2 ** 32);
      const float = random.float();
      assert.ok(float >= 0 && float < 1);
      assert.ok(random.below(7) < 7);
    }
    assert.equal(random.below(1), 0);
    assert.ok(random.below(2 ** 32) < 2 ** 32);
    for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) {
      assert.throws(() => random.below(bound), /bound is/);
    }
  });

  Deno.test(`${name}: below and the bits of uint32 are uniform (chi-squared, far beyond chance)`, () => {
    const random = make();
    const draws = 60_000;
    const counts = new Array<number>(6).fill(0);
    const ones = new Array<number>(32).fill(0);
    for (let i = 0; i < draws; i++) {
      counts[random.below(6)]!++;
      const word = random.uint32();
      for (let bit = 0; bit < 32; bit++) ones[bit]! += (word >>> bit) & 1;
    }
    const expected = draws / 6;
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 5 degrees of freedom: 40 has a chance of about 1.5e-7.
    assert.ok(chi < 40, `chi-squared ${chi}`);
    for (const count of ones) {
      // Six standard deviations of a fair coin.
      assert.ok(Math.abs(count - draws / 2) < 6 * Math.sqrt(draws) / 2, `${count} ones`);
    }
  });
}
