/**
 * Merkle trees as in RFC 6962, section 2.1 (SHA-256, leaves under 0x00, nodes under 0x01): a coordinator commits to what all devices
 * said, and shows each that its own words are in it with a few hashes instead of everybody's.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Crypto } from "../../platform/ports.ts";
import { equalBytes } from "../../protocols/codec.ts";

type Hashing = Pick<Crypto, "sha256">;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
/** Bytes of a root and of each step of a proof. */
export const HASH_BYTES = 32;

/** All levels of a tree, leaves first; at least one leaf. */
export type MerkleLevels = readonly (readonly Uint8Array[])[];

/** Builds the tree. A node without a sibling rises as it is: the shape of RFC 6962, where the left subtree is the largest full one. */
export function merkleLevels(crypto: Hashing, leaves: readonly Uint8Array[]): MerkleLevels {
  invariant(leaves.length >= 1, "Cannot build a Merkle tree without leaves");
  let level: readonly Uint8Array[] = leaves.map((leaf) => crypto.sha256(LEAF, leaf));
  const levels = [level];
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i + 1 < level.length; i += 2) {
      next.push(crypto.sha256(NODE, level[i]!, level[i + 1]!));
    }
    if (level.length % 2 === 1) next.push(level[level.length - 1]!);
    levels.push(level = next);
  }
  return levels;
}

/** The root of the tree. */
export function merkleRoot(levels: MerkleLevels): Uint8Array {
  return levels[levels.length - 1]![0]!;
}

/** The siblings on the way from leaf `index` to the root, one after another. */
export function merkleProof(levels: MerkleLevels, index: number): Uint8Array<ArrayBuffer> {
  const siblings: Uint8Array[] = [];
  let at = index;
  for (const level of levels.slice(0, -1)) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) siblings.push(sibling);
    at >>= 1;
  }
  const proof = new Uint8Array(siblings.length * HASH_BYTES);
  siblings.forEach((sibling, i) => proof.set(sibling, i * HASH_BYTES));
  return proof;
}

/** True when `leaf` stands at `index` of `count` leaves under `root`. */
export function merkleHolds(
  crypto: Hashing,
  claim: {
    readonly root: Uint8Array;
    readonly proof: Uint8Array;
    readonly leaf: Uint8Array;
    readonly index: number;
    readonly count: number;
  },
): boolean {
  let hash: Uint8Array = crypto.sha256(LEAF, claim.leaf);
  let used = 0;
  for (let at = claim.index, count = claim.count; count > 1; at >>= 1, count = (count + 1) >> 1) {
    if ((at ^ 1) >= count) continue;
    const sibling = claim.proof.subarray(used, used += HASH_BYTES);
    if (sibling.length !== HASH_BYTES) return false;
    hash = (at & 1) === 1 ? crypto.sha256(NODE, sibling, hash) : crypto.sha256(NODE, hash, sibling);
  }
  return used === claim.proof.length && equalBytes(hash, claim.root);
}
