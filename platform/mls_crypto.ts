/**
 * The GroupCrypto port on MLS (RFC 9420) by ts-mls, which nobody has audited. What the library lets through and groups here do not do is
 * refused on top of it: anything but encrypted messages of members, proposals that are no updates, commits that do more than
 * add, remove and update, group extensions, and leaves that change their device or hold one twice.
 */
import {
  type CiphersuiteImpl,
  type ClientConfig,
  type ClientState,
  createApplicationMessage,
  createCommit,
  type CreateCommitResult,
  createGroup,
  createProposal,
  decodeMlsMessage,
  emptyPskIndex,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  type MLSMessage,
  type PrivateMessage,
  type Proposal,
  type ProposalWithSender,
  type UnappliedProposals,
} from "ts-mls";
import { signWithLabel } from "ts-mls/crypto/signature.js";
import { encodeLeafNode, encodeLeafNodeTBS } from "ts-mls/leafNode.js";
import { decodeCanonical, encodeCanonical, equalBytes } from "../protocols/codec.ts";
import { deviceIdOf } from "../protocols/ids.ts";
import { errorText } from "./error_text.ts";
import {
  APPLICATION_BYTES_MAX,
  FORWARD_STEPS_MAX,
  type GroupChange,
  type GroupCrypto,
  type GroupMessageOutcome,
  KEY_PACKAGE_LIFE_MS,
  KEY_PACKAGE_SKEW_MS,
  type KeyPackagePair,
  OUT_OF_ORDER_MAX,
  PAST_EPOCHS_KEPT,
} from "./group_crypto.ts";
import { joinByWelcome } from "./mls_crypto_join.ts";
import {
  authenticationService,
  CAPABILITIES,
  cipherSuite,
  credentialFor,
  decodePackage,
  deviceOfLeaf,
  devicesOfTree,
  encodePackage,
  holdsTwice,
  membersOf,
  standsInTree,
  validPackage,
} from "./mls_crypto_leaf.ts";
import { processed, unreadable, withProposals } from "./mls_crypto_receive.ts";
import {
  decodePrivatePackage,
  decodeState,
  encodePrivatePackage,
  encodeState,
  type OwnUpdate,
  PROPOSALS_MAX,
} from "./mls_crypto_state.ts";
import { messageTurns } from "./mls_crypto_primitives.ts";
import type { Clock, Crypto, Signer } from "./ports.ts";

/** What the adapter needs. Randomness is the library's own, from the system. */
export interface MlsGroupCryptoOptions {
  /** The device: vouches for its leaves. */
  readonly signer: Signer;
  readonly crypto: Pick<Crypto, "verify">;
  readonly clock: Pick<Clock, "wallMs">;
}

/** Longer messages, bytes, are not even read: the largest application message, or a commit and welcome of the largest group, fit well. */
const MESSAGE_BYTES_MAX = 512 * 1024;

/** Makes the adapter for one device. */
export function mlsGroupCrypto(options: MlsGroupCryptoOptions): GroupCrypto {
  const { signer, crypto, clock } = options;
  const self = deviceIdOf(signer.publicKey);
  let loading: Promise<CiphersuiteImpl> | undefined;
  const suiteOf = () => loading ??= cipherSuite(crypto);
  const othersTurn = messageTurns();
  const config: ClientConfig = {
    keyRetentionConfig: {
      retainKeysForGenerations: OUT_OF_ORDER_MAX,
      retainKeysForEpochs: PAST_EPOCHS_KEPT,
      maximumForwardRatchetSteps: FORWARD_STEPS_MAX,
    },
    // Who adds a device judges the lifetime of its package (`validPackage`); others' clocks may differ.
    lifetimeConfig: {
      maximumTotalLifetime: BigInt((KEY_PACKAGE_LIFE_MS + KEY_PACKAGE_SKEW_MS) / 1000),
      validateLifetimeOnReceive: false,
    },
    keyPackageEqualityConfig: {
      compareKeyPackages: (a, b) => deviceOfLeaf(a.leafNode) === deviceOfLeaf(b.leafNode),
      compareKeyPackageToLeafNode: (a, leaf) => deviceOfLeaf(a.leafNode) === deviceOfLeaf(leaf),
    },
    // Sizes are hidden by the box around it (`protocols/mailbox/seal.ts`).
    paddingConfig: { kind: "alwaysPad", paddingLength: 0 },
    authService: authenticationService(crypto),
  };
  const stateOf = (bytes: Uint8Array) => decodeState(bytes, config);

  async function keyPackage(deviceId: string): Promise<KeyPackagePair> {
    if (deviceId !== self) {
      throw new RangeError(
        `Cannot make a key package for "${deviceId}": this device is "${self}"`,
      );
    }
    const suite = await suiteOf();
    const keys = await suite.signature.keygen();
    const now = clock.wallMs();
    const made = await generateKeyPackageWithKey(
      credentialFor(signer, keys.publicKey),
      CAPABILITIES,
      {
        notBefore: BigInt(Math.floor((now - KEY_PACKAGE_SKEW_MS) / 1000)),
        notAfter: BigInt(Math.floor((now + KEY_PACKAGE_LIFE_MS) / 1000)),
      },
      [],
      keys,
      suite,
    );
    return {
      publicPackage: encodePackage(made.publicPackage),
      privatePackage: encodePrivatePackage(made.privatePackage),
    };
  }

  async function change(
    bytes: Uint8Array,
    wanted: Parameters<GroupCrypto["change"]>[1],
  ): Promise<GroupChange> {
    const suite = await suiteOf();
    const { group, proposals: noted } = stateOf(bytes);
    requireMember(group, "change the group");
    if (wanted.remove.includes(self)) {
      throw new RangeError("Cannot change the group: a device cannot remove itself");
    }
    const wallMs = clock.wallMs();
    const added = await Promise.all(
      wanted.add.map((one) => validPackage(one, wallMs, suite, crypto)),
    );
    const gone = new Set<string>(wanted.remove);
    const proposals: Proposal[] = [];
    for (const one of added) {
      const leaf = one?.keyPackage.leafNode;
      if (one === undefined || one.deviceId === self || standsInTree(group.ratchetTree, leaf!)) {
        throw new RangeError(
          "Cannot change the group: a key package is invalid, expired or our own",
        );
      }
      gone.add(one.deviceId);
      proposals.push({ proposalType: "add", add: { keyPackage: one.keyPackage } });
    }
    if (new Set(added.map((one) => one!.deviceId)).size !== added.length) {
      throw new RangeError("Cannot change the group: two key packages are of one device");
    }
    for (const [leafIndex, device] of devicesOfTree(group.ratchetTree).entries()) {
      if (device !== undefined && gone.has(device)) {
        proposals.unshift({ proposalType: "remove", remove: { removed: leafIndex } });
      }
    }
    const committed = (unappliedProposals: UnappliedProposals) =>
      createCommit(
        { state: { ...group, unappliedProposals }, cipherSuite: suite },
        { extraProposals: proposals, ratchetTreeExtension: true },
      );
    const updates = updatesToTake(group, gone);
    let takesUpdates = Object.keys(updates).length > 0;
    let result: CreateCommitResult;
    try {
      result = await committed(updates);
    } catch (error) {
      // Whatever a member managed to propose: it must not keep the others from changing the group.
      if (!takesUpdates) throw error;
      takesUpdates = false;
      result = await committed({});
    }
    const { newState, commit, welcome } = result;
    const outcome: GroupChange = {
      state: encodeState({ group: newState, ownUpdate: null, proposals: [] }),
      commit: takesUpdates
        ? encodeCanonical([...noted, encodeMlsMessage(commit)])
        : encodeMlsMessage(commit),
      welcome: welcome === undefined
        ? null
        : encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome }),
      epoch: Number(newState.groupContext.epoch),
    };
    return outcome;
  }

  async function proposeUpdate(bytes: Uint8Array) {
    const suite = await suiteOf();
    const { group, proposals } = stateOf(bytes);
    requireMember(group, "offer new keys");
    const { leafIndex } = group.privatePath;
    const hpkeKeys = await suite.hpke.generateKeyPair();
    const keys = await suite.signature.keygen();
    const leaf = {
      leafNodeSource: "update" as const,
      hpkePublicKey: await suite.hpke.exportPublicKey(hpkeKeys.publicKey),
      signaturePublicKey: keys.publicKey,
      credential: credentialFor(signer, keys.publicKey),
      capabilities: CAPABILITIES,
      extensions: [],
    };
    const toSign = encodeLeafNodeTBS({ ...leaf, groupId: group.groupContext.groupId, leafIndex });
    const signature = await signWithLabel(keys.signKey, "LeafNodeTBS", toSign, suite.signature);
    const leafNode = { ...leaf, signature };
    const proposal: Proposal = { proposalType: "update", update: { leafNode } };
    const { newState, message } = await createProposal(group, false, proposal, suite);
    const ownUpdate: OwnUpdate = {
      hpkePrivateKey: await suite.hpke.exportPrivateKey(hpkeKeys.privateKey),
      signaturePrivateKey: keys.signKey,
      leaf: encodeLeafNode(leafNode),
    };
    return {
      state: encodeState({ group: newState, ownUpdate, proposals }),
      proposal: encodeMlsMessage(message),
    };
  }

  async function join(welcome: Uint8Array, own: KeyPackagePair): Promise<Uint8Array | undefined> {
    const suite = await suiteOf();
    const message = messageOf(welcome);
    const ownPackage = decodePackage(own.publicPackage);
    if (message?.wireformat !== "mls_welcome" || ownPackage === undefined) return undefined;
    const keys = decodePrivatePackage(own.privatePackage);
    try {
      const group = await joinByWelcome({
        welcome: message.welcome,
        keyPackage: ownPackage,
        privateKeys: keys,
        suite,
        config,
        pskIndex: emptyPskIndex,
      });
      if (group.groupContext.extensions.length > 0) return undefined;
      const devices = devicesOfTree(group.ratchetTree);
      if (holdsTwice(devices) || devices[group.privatePath.leafIndex] !== self) return undefined;
      return encodeState({ group, ownUpdate: null, proposals: [] });
    } catch {
      return undefined;
    }
  }

  async function encrypt(bytes: Uint8Array, plaintext: Uint8Array) {
    if (plaintext.length > APPLICATION_BYTES_MAX) {
      throw new RangeError(
        `Cannot encrypt ${plaintext.length} bytes, expected at most ${APPLICATION_BYTES_MAX}`,
      );
    }
    const suite = await suiteOf();
    await othersTurn();
    const { group, ownUpdate, proposals } = stateOf(bytes);
    requireMember(group, "encrypt");
    // RFC 9420 (section 12.4) has whoever saw a proposal commit it before it sends, so that removals take effect at once. Here only updates are
    // proposed and only the leader commits: others go on sending in this epoch, or nobody could write while the leader is away.
    const { unappliedProposals } = group;
    const result = await createApplicationMessage(
      { ...group, unappliedProposals: {} },
      plaintext,
      suite,
    );
    const outcome = {
      state: encodeState({
        group: { ...result.newState, unappliedProposals },
        ownUpdate,
        proposals,
      }),
      message: encodeMlsMessage({
        version: "mls10",
        wireformat: "mls_private_message",
        privateMessage: result.privateMessage,
      }),
    };
    return outcome;
  }

  async function process(bytes: Uint8Array, sent: Uint8Array): Promise<GroupMessageOutcome> {
    await othersTurn();
    const parts = stateOf(bytes);
    const { group } = parts;
    const messages = messagesOf(sent);
    if (messages === undefined) return unreadable("malformed");
    const before: [PrivateMessage, Uint8Array][] = [];
    for (const [message, own] of messages) {
      if (message.wireformat !== "mls_private_message") return unreadable("not encrypted");
      if (!equalBytes(message.privateMessage.groupId, group.groupContext.groupId)) {
        return unreadable("of another group");
      }
      before.push([message.privateMessage, own]);
    }
    const [last] = before.pop()!;
    if (group.groupActiveState.kind !== "active") {
      return unreadable("this device was removed from the group");
    }
    const { epoch } = last;
    if (epoch > BigInt(Number.MAX_SAFE_INTEGER)) return unreadable("its epoch is out of range");
    if (epoch > group.groupContext.epoch) return { type: "ahead", epoch: Number(epoch) };
    try {
      const suite = await suiteOf();
      return await processed(await withProposals(parts, before, suite, stateOf), last, sent, suite);
    } catch (error) {
      return unreadable(errorText(error));
    }
  }

  return {
    keyPackage,
    inspect: async (bytes) => {
      const valid = await validPackage(bytes, clock.wallMs(), await suiteOf(), crypto);
      return valid === undefined ? undefined : { deviceId: valid.deviceId };
    },
    create: async (groupId, own) => {
      const ownPackage = decodePackage(own.publicPackage);
      if (ownPackage === undefined) {
        throw new RangeError("Cannot create a group: the key package is none");
      }
      const keys = decodePrivatePackage(own.privatePackage);
      const group = await createGroup(groupId, ownPackage, keys, [], await suiteOf(), config);
      return encodeState({ group, ownUpdate: null, proposals: [] });
    },
    change,
    proposeUpdate,
    join,
    encrypt,
    process,
    view: (bytes) =>
      new Promise((resolve) => {
        const { group } = stateOf(bytes);
        const { groupId, epoch } = group.groupContext;
        resolve({ groupId, epoch: Number(epoch), members: membersOf(group) });
      }),
  };
}

/** The proposed updates that a commit of ours takes in: of members that stay, the last of each, none of our own. */
function updatesToTake(group: ClientState, gone: ReadonlySet<string>): UnappliedProposals {
  const devices = devicesOfTree(group.ratchetTree);
  const last = new Map<number, [string, ProposalWithSender]>();
  for (const [reference, one] of Object.entries(group.unappliedProposals)) {
    const { senderLeafIndex } = one;
    if (senderLeafIndex === undefined || senderLeafIndex === group.privatePath.leafIndex) continue;
    const device = devices[senderLeafIndex];
    if (device !== undefined && !gone.has(device)) last.set(senderLeafIndex, [reference, one]);
  }
  return Object.fromEntries(last.values());
}

function requireMember(group: ClientState, what: string): void {
  if (group.groupActiveState.kind !== "active") {
    throw new RangeError(`Cannot ${what}: this device was removed from the group`);
  }
}

/** One message; or a list of them in canonical CBOR: proposals, and last the commit that takes them in. */
function messagesOf(bytes: Uint8Array): readonly (readonly [MLSMessage, Uint8Array])[] | undefined {
  // Messages of MLS begin with the version of the protocol, 0x0001.
  if (bytes[0] === 0) {
    const message = messageOf(bytes);
    return message === undefined ? undefined : [[message, bytes]];
  }
  const decoded = decodeCanonical(bytes, {
    bytesMax: MESSAGE_BYTES_MAX,
    depthMax: 1,
    itemsMax: PROPOSALS_MAX + 2,
  });
  if (!decoded.ok || !Array.isArray(decoded.value) || decoded.value.length < 2) return undefined;
  const messages: [MLSMessage, Uint8Array][] = [];
  for (const [i, one] of decoded.value.entries()) {
    const message = one instanceof Uint8Array ? messageOf(one) : undefined;
    if (message?.wireformat !== "mls_private_message") return undefined;
    const isLast = i === decoded.value.length - 1;
    const { contentType } = message.privateMessage;
    if (contentType !== (isLast ? "commit" : "proposal")) return undefined;
    messages.push([message, one]);
  }
  return messages;
}

function messageOf(bytes: Uint8Array): MLSMessage | undefined {
  if (bytes.length > MESSAGE_BYTES_MAX) return undefined;
  try {
    const [message, end] = decodeMlsMessage(bytes, 0) ?? [];
    return end === bytes.length && message?.version === "mls10" ? message : undefined;
  } catch {
    return undefined;
  }
}
