/** The state of a simulated group as bytes, and which messages of an epoch were read. See `simulated_group_crypto.ts`. */
import { decodeCanonical, encodeCanonical } from "../protocols/codec.ts";
import { FORWARD_STEPS_MAX, OUT_OF_ORDER_MAX } from "../platform/group_crypto.ts";

const LIMITS = { bytesMax: 4 * 1024 * 1024, itemsMax: 1_000_000 } as const;

/** One member. */
export type Leaf = readonly [device: string, publicLeaf: Uint8Array];
/** Which generations of a sender were read: all below `next` but `missing`. */
export type Window = [sender: string, next: number, missing: number[]];
/** What is kept of an epoch. */
export interface Epoch {
  readonly epoch: number;
  readonly secret: Uint8Array;
  readonly members: readonly Leaf[];
  readonly windows: Window[];
}
/** A device's state of a group. */
export interface State {
  readonly groupId: Uint8Array;
  readonly self: string;
  readonly leaf: Uint8Array;
  readonly removed: boolean;
  readonly sent: number;
  readonly current: Epoch;
  readonly past: readonly Epoch[];
  /** New public leaves that members offered in this epoch. */
  readonly offers: readonly Leaf[];
  /** The private leaf of our own offer; empty when there is none. */
  readonly offered: Uint8Array;
}
/** What a message does. */
export type MessageKind = "application" | "commit" | "proposal";
/** What travels; the box is bound to everything before it. */
export type Message = readonly [
  kind: MessageKind,
  groupId: Uint8Array,
  epoch: number,
  sender: string,
  generation: number,
  box: Uint8Array,
];
/** Inside the box of a commit: everybody after it, and the new secret for each that stays. */
export type Commit = readonly [
  members: readonly Leaf[],
  wrapped: readonly (readonly [device: string, secret: Uint8Array])[],
];

/** The windows after this generation was read; a text when it was read before or is too far away. */
export function taken(
  windows: readonly Window[],
  sender: string,
  generation: number,
): Window[] | string {
  const [, next, missing] = windows.find(([device]) => device === sender) ?? [sender, 0, []];
  const others = windows.filter(([device]) => device !== sender);
  if (generation < next) {
    return missing.includes(generation)
      ? [...others, [sender, next, missing.filter((one) => one !== generation)]]
      : "read before, or too far out of order";
  }
  if (generation - next > FORWARD_STEPS_MAX) return "too far in the future";
  const skipped = Array.from({ length: generation - next }, (_, i) => next + i);
  return [
    ...others,
    [sender, generation + 1, [...missing, ...skipped].slice(-OUT_OF_ORDER_MAX)],
  ];
}

/** Reads a message; undefined when it is none. */
export function messageOf(bytes: Uint8Array): Message | undefined {
  const value = read(bytes);
  if (!Array.isArray(value) || value.length !== 6) return undefined;
  const [kind, groupId, epoch, sender, generation, box] = value as unknown[];
  const fits = (kind === "application" || kind === "commit" || kind === "proposal") &&
    groupId instanceof Uint8Array && isCount(epoch) && typeof sender === "string" &&
    isCount(generation) && box instanceof Uint8Array;
  return fits ? value as unknown as Message : undefined;
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Throws unless this device is in the group. */
export function requireMember(state: State, what: string): void {
  if (state.removed) {
    throw new RangeError(`Cannot ${what}: this device was removed from the group`);
  }
}

/** Reads a value; undefined when the bytes are none. */
export function read(bytes: Uint8Array): unknown {
  const decoded = decodeCanonical(bytes, LIMITS);
  return decoded.ok ? decoded.value : undefined;
}

/** A state as bytes. */
export function write(state: State): Uint8Array {
  return encodeCanonical(state);
}

/** Reads a state that `write` gave. */
export function stateOf(bytes: Uint8Array): State {
  const value = read(bytes);
  if (value === undefined) throw new RangeError("Cannot use the group's state: it is damaged");
  return value as unknown as State;
}
