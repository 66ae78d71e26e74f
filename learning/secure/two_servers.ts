/**
 * Additive sharing between two servers (as in Prio, Corrigan-Gibbs and Boneh 2017, without its proofs): one gets a seed, the other the
 * vector less what the seed expands to. Neither learns anything as long as they do not work together.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Crypto, MaskStream } from "../../platform/ports.ts";
import { addPacked, maskOf, pack, packedBytes, unpack } from "./packing.ts";
import type { SecureSum } from "./secure_sum.ts";
import {
  checkSmallSize,
  collectorOf,
  opened,
  type SmallSize,
  totalsProblem,
} from "./small_sums.ts";

const SEED_BYTES = 32;
const LABEL = new TextEncoder().encode("kiana sum two servers v1\0");

/** Sums of `length` numbers modulo 2^bits; `salt` names the run and round, so that a seed is of no use elsewhere. */
export function twoServerSum(
  options: SmallSize & { readonly salt: Uint8Array },
  deps: { readonly crypto: Pick<Crypto, "hkdf">; readonly masks: MaskStream },
): SecureSum {
  checkSmallSize(options);
  const { length, bits, salt } = options;
  const expand = (secret: Uint8Array, target: Uint32Array, sign: 1 | -1) => {
    const key = deps.crypto.hkdf({ secret, salt, info: LABEL, length: SEED_BYTES });
    deps.masks.apply({ key, target, sign });
  };
  return {
    mode: "twoServers",
    aggregators: 2,
    contribute(values, random) {
      invariant(
        values.length === length,
        () => `Cannot share ${values.length} numbers: the sum has ${length}`,
      );
      const seed = random.bytes(SEED_BYTES);
      const rest = values.slice();
      expand(seed, rest, -1);
      return [pack(rest, bits), seed];
    },
    collector(aggregator) {
      const sum = new Uint32Array(length);
      return collectorOf({
        add(part) {
          if (aggregator === 0) return addPacked(sum, part, bits);
          if (part.length !== SEED_BYTES) return false;
          expand(part, sum, 1);
          return true;
        },
        total: () => pack(sum, bits),
        expected: `${
          aggregator === 0 ? packedBytes(length, bits) : SEED_BYTES
        } bytes without spare bits`,
      });
    },
    open(totals) {
      const problem = totalsProblem(totals, 2);
      if (problem !== undefined) return problem;
      const sum = unpack(totals[0]!.bytes, { count: length, bits });
      if (sum === undefined || !addPacked(sum, totals[1]!.bytes, bits)) return opened(undefined);
      const mask = maskOf(bits);
      return opened(sum.map((value) => value & mask));
    },
  };
}
