/**
 * GroupCrypto for simulated worlds: what MLS does as seen from outside (epochs, who can read what, what is refused and when), from hashes
 * and one symmetric cipher, and from nothing but its `random`. It protects nothing: whoever knows a public package could open what is
 * meant for its owner. The contract suite holds it equal to the real adapter.
 *
 * All work happens before the first `await`, so that chance is drawn in the order of the calls.
 */
import { encodeCanonical } from "../protocols/codec.ts";
import {
  APPLICATION_BYTES_MAX,
  type GroupChange,
  type GroupCrypto,
  type GroupMessageOutcome,
  type GroupView,
  KEY_PACKAGE_LIFE_MS,
  KEY_PACKAGE_SKEW_MS,
  type KeyPackagePair,
  PAST_EPOCHS_KEPT,
} from "../platform/group_crypto.ts";
import type { Clock, Crypto, Random } from "../platform/ports.ts";
import {
  type Commit,
  type Epoch,
  type Leaf,
  type Message,
  type MessageKind,
  messageOf,
  read,
  requireMember,
  type State,
  stateOf,
  taken,
  write,
} from "./simulated_group_state.ts";

/** What one simulated device needs. */
export interface SimulatedGroupCryptoOptions {
  /** The device; packages for another one are refused, as the real adapter refuses what it cannot sign. */
  readonly deviceId: string;
  readonly random: Random;
  readonly clock: Pick<Clock, "wallMs">;
  readonly crypto: Pick<Crypto, "sha256" | "seal" | "open">;
}

const NONCE = new Uint8Array(12);
const NOTHING = new Uint8Array(0);
const utf8 = new TextEncoder();

/** Makes the fake for one device. */
export function simulatedGroupCrypto(options: SimulatedGroupCryptoOptions): GroupCrypto {
  const { crypto, random, clock, deviceId } = options;
  const hash = (label: string, ...parts: readonly Uint8Array[]) =>
    crypto.sha256(utf8.encode(label + "\0"), ...parts);
  const number = (value: number) => encodeCanonical(value);
  const publicOf = (leaf: Uint8Array) => hash("leaf", leaf).slice(0, 16);
  const bindingOf = (device: string, leaf: Uint8Array, lifeMs: readonly [number, number]) =>
    hash("binding", utf8.encode(device), leaf, number(lifeMs[0]), number(lifeMs[1])).slice(0, 16);
  const sealWith = (key: Uint8Array, plaintext: Uint8Array, associated: Uint8Array) =>
    crypto.seal({ key, nonce: NONCE, plaintext, associated });
  const openWith = (key: Uint8Array, ciphertext: Uint8Array, associated: Uint8Array) =>
    ciphertext.length < 16 ? undefined : crypto.open({ key, nonce: NONCE, ciphertext, associated });

  function packageOf(bytes: Uint8Array): Leaf | undefined {
    const value = read(bytes);
    if (!Array.isArray(value) || value.length !== 6 || value[0] !== "package") return undefined;
    const [, device, leaf, notBefore, notAfter, binding] = value as [
      string,
      string,
      Uint8Array,
      number,
      number,
      Uint8Array,
    ];
    if (
      typeof device !== "string" || !(leaf instanceof Uint8Array) ||
      !(binding instanceof Uint8Array) || !Number.isSafeInteger(notBefore) ||
      !Number.isSafeInteger(notAfter)
    ) return undefined;
    const now = clock.wallMs();
    if (now < notBefore || now > notAfter) return undefined;
    return bindingOf(device, leaf, [notBefore, notAfter]).toHex() === binding.toHex()
      ? [device, leaf]
      : undefined;
  }

  function protect(state: State, kind: MessageKind, plaintext: Uint8Array): Uint8Array {
    const { current: { epoch, secret }, sent, self, groupId } = state;
    const head = encodeCanonical([kind, groupId, epoch, self, sent]);
    return encodeCanonical(
      [kind, groupId, epoch, self, sent, sealWith(hash("message", secret, head), plaintext, head)],
    );
  }

  function unprotect(message: Message, epoch: Epoch): Uint8Array | undefined {
    const head = encodeCanonical(message.slice(0, 5));
    return openWith(hash("message", epoch.secret, head), message[5], head);
  }

  function advanced(
    state: State,
    members: readonly Leaf[],
    commitSecret: Uint8Array,
    leaf: Uint8Array,
  ): State {
    const epoch = state.current.epoch + 1;
    return {
      ...state,
      leaf,
      sent: 0,
      current: {
        epoch,
        secret: hash("epoch", state.current.secret, commitSecret, number(epoch)),
        members,
        windows: [],
      },
      past: [...state.past, state.current].slice(-PAST_EPOCHS_KEPT),
      offers: [],
      offered: NOTHING,
    };
  }

  function change(
    state: State,
    { add, remove }: Parameters<GroupCrypto["change"]>[1],
  ): GroupChange {
    requireMember(state, "change the group");
    if (remove.includes(state.self)) {
      throw new RangeError("Cannot change the group: a device cannot remove itself");
    }
    const added = add.map((bytes) => {
      const leaf = packageOf(bytes);
      if (leaf !== undefined && leaf[0] !== state.self) return leaf;
      throw new RangeError("Cannot change the group: a key package is invalid, expired or our own");
    });
    const addedIds = new Set(added.map(([device]) => device));
    if (addedIds.size !== added.length) {
      throw new RangeError("Cannot change the group: two key packages are of one device");
    }
    const ownLeaf = random.bytes(16);
    const kept = state.current.members
      .filter(([device]) => !remove.includes(device) && !addedIds.has(device))
      .map((leaf): Leaf =>
        leaf[0] === state.self
          ? [leaf[0], publicOf(ownLeaf)]
          : state.offers.findLast(([device]) => device === leaf[0]) ?? leaf
      );
    const members = [...kept, ...added].toSorted(([a], [b]) => a < b ? -1 : 1);
    const commitSecret = random.bytes(32);
    const wrapped = kept.filter(([device]) => device !== state.self)
      .map(([device, leaf]) => [device, sealWith(hash("wrap", leaf), commitSecret, NOTHING)]);
    const next = advanced(state, members, commitSecret, ownLeaf);
    const inside = encodeCanonical([state.groupId, next.current.epoch, members]);
    const welcome = added.length === 0 ? null : encodeCanonical([
      "welcome",
      added.map(([, leaf]) => [
        leaf,
        sealWith(hash("wrap", leaf), encodeCanonical([inside, next.current.secret]), NOTHING),
      ]),
    ]);
    return {
      state: write(next),
      commit: protect(state, "commit", encodeCanonical([members, wrapped])),
      welcome,
      epoch: next.current.epoch,
    };
  }

  function join(welcome: Uint8Array, own: KeyPackagePair): Uint8Array | undefined {
    const value = read(welcome);
    if (!Array.isArray(value) || value[0] !== "welcome" || !Array.isArray(value[1])) return;
    const leaf = own.privatePackage;
    const publicLeaf = publicOf(leaf);
    for (const entry of value[1] as readonly [Uint8Array, Uint8Array][]) {
      const [leafOf, box] = Array.isArray(entry) ? entry : [];
      if (!(leafOf instanceof Uint8Array) || !(box instanceof Uint8Array)) return undefined;
      if (leafOf.toHex() !== publicLeaf.toHex()) continue;
      const plain = openWith(hash("wrap", publicLeaf), box, NOTHING);
      const opened = plain === undefined ? undefined : read(plain);
      if (opened === undefined) return undefined;
      const [inside, secret] = opened as [Uint8Array, Uint8Array];
      const [groupId, epoch, members] = read(inside) as [Uint8Array, number, Leaf[]];
      return write({
        groupId,
        self: deviceId,
        leaf,
        removed: false,
        sent: 0,
        current: { epoch, secret, members, windows: [] },
        past: [],
        offers: [],
        offered: NOTHING,
      });
    }
    return undefined;
  }

  function process(state: State, bytes: Uint8Array): GroupMessageOutcome {
    const unreadable = (reason: string): GroupMessageOutcome => ({ type: "unreadable", reason });
    const message = messageOf(bytes);
    if (message === undefined) return unreadable("malformed");
    const [kind, groupId, epochNumber, sender, generation] = message;
    if (groupId.toHex() !== state.groupId.toHex()) return unreadable("of another group");
    if (state.removed) return unreadable("this device was removed from the group");
    if (epochNumber > state.current.epoch) return { type: "ahead", epoch: epochNumber };
    if (sender === state.self) return unreadable("our own message");
    const isCurrent = epochNumber === state.current.epoch;
    const epoch = isCurrent ? state.current : state.past.find((one) => one.epoch === epochNumber);
    if (epoch === undefined) return unreadable("its epoch is too old");
    if (!isCurrent && kind !== "application") return unreadable("a change of a former epoch");
    if (!epoch.members.some(([device]) => device === sender)) {
      return unreadable("its sender is no member");
    }
    const windows = taken(epoch.windows, sender, generation);
    if (typeof windows === "string") return unreadable(windows);
    const plaintext = unprotect(message, epoch);
    if (plaintext === undefined) return unreadable("forged or changed");
    const seen = { ...epoch, windows };
    const next: State = isCurrent
      ? { ...state, current: seen }
      : { ...state, past: state.past.map((one) => one === epoch ? seen : one) };
    switch (kind) {
      case "application":
        return { type: "application", state: write(next), plaintext, sender, epoch: epochNumber };
      case "proposal":
        return {
          type: "proposed",
          state: write({ ...next, offers: [...next.offers, [sender, plaintext]] }),
          sender,
        };
      case "commit":
        return applied(next, sender, read(plaintext) as unknown as Commit);
    }
  }

  function applied(state: State, sender: string, [members, wrapped]: Commit): GroupMessageOutcome {
    const ids = members.map(([device]) => device);
    const ownWrapped = wrapped.find(([device]) => device === state.self)?.[1];
    const epoch = state.current.epoch + 1;
    if (ownWrapped === undefined) {
      const removed = { ...state, removed: true };
      return { type: "changed", state: write(removed), sender, epoch, members: ids };
    }
    const ownPublic = members.find(([device]) => device === state.self)![1];
    const leaf = publicOf(state.offered).toHex() === ownPublic.toHex() ? state.offered : state.leaf;
    const secret = openWith(hash("wrap", publicOf(leaf)), ownWrapped, NOTHING);
    if (secret === undefined) return { type: "unreadable", reason: "not for our keys" };
    const next = advanced(state, members, secret, leaf);
    return { type: "changed", state: write(next), sender, epoch, members: ids };
  }

  return {
    keyPackage: promised((id: string): KeyPackagePair => {
      if (id !== deviceId) {
        throw new RangeError(`Cannot make a key package for "${id}": this device is "${deviceId}"`);
      }
      const privatePackage = random.bytes(16);
      const leaf = publicOf(privatePackage);
      const now = clock.wallMs();
      const lifeMs = [now - KEY_PACKAGE_SKEW_MS, now + KEY_PACKAGE_LIFE_MS] as const;
      const publicPackage = encodeCanonical(
        ["package", id, leaf, ...lifeMs, bindingOf(id, leaf, lifeMs)],
      );
      return { publicPackage, privatePackage };
    }),
    inspect: promised((bytes: Uint8Array) => {
      const leaf = packageOf(bytes);
      return leaf === undefined ? undefined : { deviceId: leaf[0] };
    }),
    create: promised((groupId: Uint8Array, own: KeyPackagePair) =>
      write({
        groupId,
        self: deviceId,
        leaf: own.privatePackage,
        removed: false,
        sent: 0,
        current: {
          epoch: 0,
          secret: random.bytes(32),
          members: [[deviceId, publicOf(own.privatePackage)]],
          windows: [],
        },
        past: [],
        offers: [],
        offered: NOTHING,
      })
    ),
    change: promised((state, wanted) => change(stateOf(state), wanted)),
    proposeUpdate: promised((bytes: Uint8Array) => {
      const state = stateOf(bytes);
      requireMember(state, "offer new keys");
      const offered = random.bytes(16);
      const proposal = protect(state, "proposal", publicOf(offered));
      return { state: write({ ...state, offered, sent: state.sent + 1 }), proposal };
    }),
    join: promised(join),
    encrypt: promised((bytes: Uint8Array, plaintext: Uint8Array) => {
      const state = stateOf(bytes);
      requireMember(state, "encrypt");
      if (plaintext.length > APPLICATION_BYTES_MAX) {
        throw new RangeError(
          `Cannot encrypt ${plaintext.length} bytes, expected at most ${APPLICATION_BYTES_MAX}`,
        );
      }
      const message = protect(state, "application", plaintext);
      return { state: write({ ...state, sent: state.sent + 1 }), message };
    }),
    process: promised((state: Uint8Array, message: Uint8Array) => process(stateOf(state), message)),
    view: promised((bytes: Uint8Array): GroupView => {
      const { groupId, current, removed, self } = stateOf(bytes);
      const members = current.members.map(([device]) => device)
        .filter((device) => !removed || device !== self);
      return { groupId, epoch: current.epoch, members };
    }),
  };
}

/** Runs at once, answers as a promise; what it throws becomes a rejection. */
function promised<Args extends readonly unknown[], Result>(
  work: (...args: Args) => Result,
): (...args: Args) => Promise<Result> {
  return (...args) => new Promise((resolve) => resolve(work(...args)));
}
