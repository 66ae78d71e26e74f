/**
 * The GroupCrypto port: the group key agreement of conversations, MLS (RFC 9420). A group's state is a value of opaque bytes: whoever calls
 * keeps it, durably and together with what it sends, before anything made from it leaves the device.
 *
 * Every function is a task (asynchronous, no side effect): the same state given twice gives two futures, of which only one may be used.
 * Bytes from others never make them throw; a `RangeError` says that the caller asked for what cannot be.
 */

/** Past epochs whose application messages can still be read. */
export const PAST_EPOCHS_KEPT = 4;
/** Messages of one sender in one epoch that may still come after later ones. */
export const OUT_OF_ORDER_MAX = 256;
/** Messages of one sender in one epoch that may be missing before the next one. */
export const FORWARD_STEPS_MAX = 1_024;
/** Largest application message, bytes. */
export const APPLICATION_BYTES_MAX = 256 * 1024;
/** A key package is valid this long after it was made, ms. */
export const KEY_PACKAGE_LIFE_MS = 90 * 24 * 60 * 60 * 1000;
/** And this long before, ms: clocks differ. */
export const KEY_PACKAGE_SKEW_MS = 24 * 60 * 60 * 1000;

/** A device's offer to be added to groups: the public part is published, the private part stays. */
export interface KeyPackagePair {
  readonly publicPackage: Uint8Array;
  readonly privatePackage: Uint8Array;
}

/** A change of a group that every other member has to process, in order of epochs. */
export interface GroupChange {
  /** The state after the change; it counts only if the commit is sent. */
  readonly state: Uint8Array;
  /** For the members there were before. */
  readonly commit: Uint8Array;
  /** For the members that were added; null when none was. */
  readonly welcome: Uint8Array | null;
  readonly epoch: number;
}

export type GroupMessageOutcome =
  | {
    readonly type: "application";
    readonly state: Uint8Array;
    readonly plaintext: Uint8Array;
    /** Device id in the credential of the sender, which its leaf's signature proves. */
    readonly sender: string;
    readonly epoch: number;
  }
  /** A commit was applied. */
  | {
    readonly type: "changed";
    readonly state: Uint8Array;
    readonly sender: string;
    readonly epoch: number;
    /** Device ids, ascending; without this device when it was removed. */
    readonly members: readonly string[];
  }
  /** A proposal was noted for the next commit. */
  | { readonly type: "proposed"; readonly state: Uint8Array; readonly sender: string }
  /** It belongs to an epoch that this state has not reached. */
  | { readonly type: "ahead"; readonly epoch: number }
  /** It can never be read with this state: too old, read before, forged, malformed, of another group. */
  | { readonly type: "unreadable"; readonly reason: string };

export interface GroupView {
  readonly groupId: Uint8Array;
  readonly epoch: number;
  /** Device ids, ascending. */
  readonly members: readonly string[];
}

export interface GroupCrypto {
  /** Makes a key package for this device; `deviceId` becomes the credential, signed under the device's own identity. Throws for another device's id. */
  keyPackage(deviceId: string): Promise<KeyPackagePair>;
  /** The device id and validity of a published package; undefined when it is malformed, expired or not signed by who it names. */
  inspect(publicPackage: Uint8Array): Promise<{ readonly deviceId: string } | undefined>;
  /** A group with this device as the only member, epoch 0. */
  create(groupId: Uint8Array, own: KeyPackagePair): Promise<Uint8Array>;
  /**
   * Adds devices (by their published packages) and removes others (by device id), in one commit, which also takes in the updates that members
   * proposed; with neither, only renews our own keys. A device that is in the group already is replaced (it lost its state); removing one that is
   * not in it changes nothing. Throws on an invalid package, two of one device, our own, removing ourselves, and when we were removed.
   */
  change(
    state: Uint8Array,
    change: { readonly add: readonly Uint8Array[]; readonly remove: readonly string[] },
  ): Promise<GroupChange>;
  /**
   * Offers to renew our keys: a proposal for the member that commits, which takes it into its next commit (others may see it, too, but
   * need not). A commit without it makes it void. Throws when we were removed.
   */
  proposeUpdate(
    state: Uint8Array,
  ): Promise<{ readonly state: Uint8Array; readonly proposal: Uint8Array }>;
  /** Joins by a welcome; undefined when it is not for this package or broken. */
  join(welcome: Uint8Array, own: KeyPackagePair): Promise<Uint8Array | undefined>;
  /** Encrypts one application message (at most `APPLICATION_BYTES_MAX`). Throws when it is longer or when we were removed. */
  encrypt(
    state: Uint8Array,
    plaintext: Uint8Array,
  ): Promise<{ readonly state: Uint8Array; readonly message: Uint8Array }>;
  /** Takes anything another member sent. */
  process(state: Uint8Array, message: Uint8Array): Promise<GroupMessageOutcome>;
  view(state: Uint8Array): Promise<GroupView>;
}
