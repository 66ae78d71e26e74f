/**
 * What has to be published so that a source is in the mesh as it is now. Pure. Unchanged parts cost nothing: a part is
 * the same when its body is, whatever its number or the file's hash have become.
 */
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import type { BlockId } from "../../protocols/ids.ts";
import { sha256Hex } from "./draft.ts";

/** A part of the source that is in the mesh now (our own, current). */
export interface CurrentPart {
  readonly id: BlockId;
  /** From the tag "part:3/12"; parts without one come last. */
  readonly part: number;
  readonly topic: string;
  readonly mediaType: string;
  readonly bodyBytes: number;
  /** SHA-256 of the payload, lower-case hex. Equals the body's for bodies that travel inside the block. */
  readonly payloadHash: string;
}

export interface Plan {
  readonly drafts: readonly BlockDraft[];
  readonly unchanged: number;
  readonly added: number;
  readonly superseded: number;
  readonly removed: number;
}

/** How a draft's payload would hash; different from the hash of the body only for bodies that are cut into chunks. */
export type PayloadHash = (body: Uint8Array) => string;

/** Compares the parts that are there with those that should be. */
export function planChanges(
  current: readonly CurrentPart[],
  wanted: readonly BlockDraft[],
  payloadHash: PayloadHash = sha256Hex,
): Plan {
  const have = [...current].sort((left, right) => left.part - right.part);
  const want = wanted.map((draft) => ({ draft, key: keyOfDraft(draft, payloadHash) }));
  const pairs = sameInOrder(have.map(keyOfPart), want.map((entry) => entry.key));

  const drafts: BlockDraft[] = [];
  const count = { added: 0, superseded: 0, removed: 0 };
  let [haveFrom, wantFrom] = [0, 0];
  for (const [haveTo, wantTo] of [...pairs, [have.length, want.length] as const]) {
    const old = have.slice(haveFrom, haveTo);
    const fresh = want.slice(wantFrom, wantTo).map((entry) => entry.draft);
    for (let index = 0; index < Math.max(old.length, fresh.length); index++) {
      const [part, draft] = [old[index], fresh[index]];
      if (draft !== undefined && part !== undefined) {
        drafts.push({ ...draft, kind: "supersede", target: part.id });
        count.superseded++;
      } else if (draft !== undefined) {
        drafts.push(draft);
        count.added++;
      } else if (part !== undefined) {
        drafts.push(tombstone(part));
        count.removed++;
      }
    }
    [haveFrom, wantFrom] = [haveTo + 1, wantTo + 1];
  }
  return { drafts, unchanged: pairs.length, ...count };
}

/** The draft that removes a part. */
export function tombstone(part: CurrentPart): BlockDraft {
  return {
    kind: "tombstone",
    topic: part.topic,
    tags: [],
    mediaType: part.mediaType,
    body: new Uint8Array(),
    target: part.id,
  };
}

function keyOfDraft(draft: BlockDraft, payloadHash: PayloadHash): string {
  return `${draft.topic}\n${draft.mediaType}\n${draft.body.length}\n${payloadHash(draft.body)}`;
}

function keyOfPart(part: CurrentPart): string {
  return `${part.topic}\n${part.mediaType}\n${part.bodyBytes}\n${part.payloadHash}`;
}

/** Largest table of the exact comparison, cells; beyond it the middle counts as changed. */
const CELLS_MAX = 4_000_000;

/** Pairs of positions of a longest common subsequence, ascending: equal ends first, then the middle by a table. */
function sameInOrder(
  left: readonly string[],
  right: readonly string[],
): readonly (readonly [number, number])[] {
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  let ends = 0;
  const room = Math.min(left.length, right.length) - start;
  while (ends < room && left[left.length - 1 - ends] === right[right.length - 1 - ends]) ends++;
  const pairs: [number, number][] = [];
  for (let index = 0; index < start; index++) pairs.push([index, index]);
  const middleLeft = left.slice(start, left.length - ends);
  const middleRight = right.slice(start, right.length - ends);
  for (const [i, j] of longestCommon(middleLeft, middleRight)) pairs.push([start + i, start + j]);
  for (let index = ends; index > 0; index--) {
    pairs.push([left.length - index, right.length - index]);
  }
  return pairs;
}

function longestCommon(
  left: readonly string[],
  right: readonly string[],
): readonly (readonly [number, number])[] {
  const width = right.length + 1;
  if (left.length === 0 || right.length === 0) return [];
  if ((left.length + 1) * width > CELLS_MAX) return [];
  const lengths = new Uint32Array((left.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      lengths[i * width + j] = left[i] === right[j]
        ? at(i + 1, j + 1) + 1
        : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  let [i, j] = [0, 0];
  while (i < left.length && j < right.length) {
    if (left[i] === right[j]) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return pairs;
}
