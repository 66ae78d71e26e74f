/** What other members sent: application messages, commits and proposals, judged and applied. The state it gets is not changed. */
import {
  type CiphersuiteImpl,
  type ClientState,
  emptyPskIndex,
  type LeafNodeUpdate,
  type PrivateMessage,
  processPrivateMessage,
  type ProposalWithSender,
} from "ts-mls";
import { validateLeafNodeUpdateOrCommit } from "ts-mls/clientState.js";
import { encodeLeafNode } from "ts-mls/leafNode.js";
import { decryptSenderData } from "ts-mls/privateMessage.js";
import { equalBytes } from "../protocols/codec.ts";
import type { DeviceId } from "../protocols/ids.ts";
import type { GroupMessageOutcome } from "./group_crypto.ts";
import {
  canBeSealedFor,
  deviceOfLeaf,
  devicesOfTree,
  holdsTwice,
  membersOf,
  standsInTree,
  supportsSuite,
} from "./mls_crypto_leaf.ts";
import {
  encodeState,
  type GroupStateParts,
  type OwnUpdate,
  PROPOSALS_MAX,
} from "./mls_crypto_state.ts";

/** Reads a message of this epoch or a past one, of an active group. Throws whatever is wrong with it. */
export async function processed(
  parts: GroupStateParts,
  message: PrivateMessage,
  sent: Uint8Array,
  suite: CiphersuiteImpl,
): Promise<GroupMessageOutcome> {
  const { group, ownUpdate, proposals } = parts;
  const isCurrent = message.epoch === group.groupContext.epoch;
  const past = group.historicalReceiverData.get(message.epoch);
  if (!isCurrent && past === undefined) return unreadable("its epoch is too old");
  // The library tells nobody who sent an application message. It checks the signature of the leaf that is named here.
  const secret = past?.senderDataSecret ?? group.keySchedule.senderDataSecret;
  const senderLeaf = (await decryptSenderData(message, secret, suite))?.leafIndex;
  const sender = senderLeaf === undefined
    ? undefined
    : devicesOfTree(past?.ratchetTree ?? group.ratchetTree)[senderLeaf];
  if (sender === undefined) return unreadable("its sender is no member");
  switch (message.contentType) {
    case "commit":
      return await applied(parts, message, sender, suite);
    case "proposal":
      return await noted(parts, message, sender, sent, suite);
    case "application":
      break;
  }
  const result = await processPrivateMessage(group, message, emptyPskIndex, suite);
  if (result.kind !== "applicationMessage") return unreadable("not what it says to be");
  const state = encodeState({ group: result.newState, ownUpdate, proposals });
  const epoch = Number(message.epoch);
  return { type: "application", state, plaintext: result.message, sender, epoch };
}

/** Notes the proposals that came with a commit; those that were noted before do not open again, which is no harm. */
export async function withProposals(
  parts: GroupStateParts,
  proposals: readonly (readonly [PrivateMessage, Uint8Array])[],
  suite: CiphersuiteImpl,
  stateOf: (bytes: Uint8Array) => GroupStateParts,
): Promise<GroupStateParts> {
  let current = parts;
  for (const [message, sent] of proposals) {
    if (message.contentType !== "proposal") continue;
    try {
      const outcome = await processed(current, message, sent, suite);
      if (outcome.type === "proposed") current = stateOf(outcome.state);
    } catch {
      // The commit itself will say whether anything is missing.
    }
  }
  return current;
}

/** A member may propose to renew its own leaf, nothing else; and only what can be committed, or the leader would be stuck with it. */
async function noted(
  { group, ownUpdate, proposals }: GroupStateParts,
  message: PrivateMessage,
  sender: DeviceId,
  sent: Uint8Array,
  suite: CiphersuiteImpl,
): Promise<GroupMessageOutcome> {
  if (proposals.length >= PROPOSALS_MAX) return unreadable("too many proposals in one epoch");
  let update: { readonly leaf: LeafNodeUpdate; readonly leafIndex: number } | undefined;
  const result = await processPrivateMessage(group, message, emptyPskIndex, suite, (incoming) => {
    if (incoming.kind !== "proposal") return "reject";
    const { proposal, senderLeafIndex } = incoming.proposal;
    if (proposal.proposalType !== "update" || senderLeafIndex === undefined) return "reject";
    const { leafNode } = proposal.update;
    if (leafNode.leafNodeSource !== "update") return "reject";
    update = { leaf: leafNode, leafIndex: senderLeafIndex };
    return "accept";
  });
  if (result.kind !== "newState" || update === undefined) {
    return unreadable("a proposal of another kind");
  }
  const { leaf, leafIndex } = update;
  const { authService } = group.clientConfig;
  const error = await validateLeafNodeUpdateOrCommit(
    leaf,
    leafIndex,
    group.groupContext,
    authService,
    suite.signature,
  );
  if (error !== undefined) return unreadable(error.message);
  if (deviceOfLeaf(leaf) !== sender) {
    return unreadable("a proposal that puts a leaf under another device");
  }
  if (standsInTree(group.ratchetTree, leaf)) return unreadable("a proposal of a key in use");
  if (!supportsSuite(leaf)) return unreadable("a proposal of a leaf that cannot follow the group");
  await canBeSealedFor(leaf.hpkePublicKey, suite);
  const state = encodeState({
    group: result.newState,
    ownUpdate,
    proposals: [...proposals, sent],
  });
  return { type: "proposed", state, sender };
}

async function applied(
  { group, ownUpdate }: GroupStateParts,
  message: PrivateMessage,
  sender: DeviceId,
  suite: CiphersuiteImpl,
): Promise<GroupMessageOutcome> {
  const ownLeaf = group.privatePath.leafIndex;
  let proposals: readonly ProposalWithSender[] = [];
  let takesOurs = false;
  const pass = async (state: ClientState, mayTakeOurs: boolean) =>
    await processPrivateMessage(state, message, emptyPskIndex, suite, (incoming) => {
      if (incoming.kind !== "commit" || incoming.senderLeafIndex === undefined) return "reject";
      proposals = incoming.proposals;
      takesOurs = proposals.some(isOurs);
      const refused = !proposals.every(isUsual) || removes(ownLeaf);
      return refused || (takesOurs && !mayTakeOurs) ? "reject" : "accept";
    });
  let result = await pass(group, false);
  // Its secrets are for the leaf that stands in the tree after it, which is our new one.
  if (takesOurs) result = await pass(withUpdate(group, ownUpdate!), true);
  const epoch = Number(message.epoch) + 1;
  // The library sees its removal by its empty leaf; but a new member may stand there already.
  if (proposals.every(isUsual) && removes(ownLeaf)) {
    const left = withoutUs(group, proposals);
    const state = encodeState({ group: left, ownUpdate: null, proposals: [] });
    return { type: "changed", state, sender, epoch, members: membersOf(left) };
  }
  if (result.kind !== "newState" || result.actionTaken === "reject") {
    return unreadable("a commit that does what groups here do not do");
  }
  const { newState } = result;
  const devices = devicesOfTree(newState.ratchetTree);
  const changesDevice = devicesOfTree(group.ratchetTree).some((device, leafIndex) =>
    device !== undefined && !removes(leafIndex) && devices[leafIndex] !== device
  );
  if (changesDevice || holdsTwice(devices)) {
    return unreadable("a commit that puts a leaf under another device");
  }
  const state = encodeState({ group: newState, ownUpdate: null, proposals: [] });
  const members = membersOf(newState);
  return { type: "changed", state, sender, epoch, members };

  function removes(leafIndex: number): boolean {
    return proposals.some(({ proposal }) =>
      proposal.proposalType === "remove" && proposal.remove.removed === leafIndex
    );
  }

  function isOurs({ proposal, senderLeafIndex }: ProposalWithSender): boolean {
    return proposal.proposalType === "update" && senderLeafIndex === ownLeaf &&
      ownUpdate !== null && equalBytes(encodeLeafNode(proposal.update.leafNode), ownUpdate.leaf);
  }
}

function isUsual({ proposal }: ProposalWithSender): boolean {
  return proposal.proposalType === "add" || proposal.proposalType === "remove" ||
    proposal.proposalType === "update";
}

/** What is left to a device that was removed: who is in the group now, and no keys to go on or back. */
function withoutUs(group: ClientState, proposals: readonly ProposalWithSender[]): ClientState {
  const removed = new Set(
    proposals.flatMap(({ proposal }) =>
      proposal.proposalType === "remove" ? [proposal.remove.removed] : []
    ),
  );
  const leaves = group.ratchetTree.flatMap((node, index) =>
    node?.nodeType === "leaf" && !removed.has(index / 2) ? [node] : []
  );
  const added = proposals.flatMap(({ proposal }) =>
    proposal.proposalType === "add"
      ? [{ nodeType: "leaf" as const, leaf: proposal.add.keyPackage.leafNode }]
      : []
  );
  return {
    ...group,
    ratchetTree: [...leaves, ...added].flatMap((leaf, i) => i === 0 ? [leaf] : [undefined, leaf]),
    unappliedProposals: {},
    secretTree: [],
    historicalReceiverData: new Map(),
    signaturePrivateKey: new Uint8Array(0),
    groupActiveState: { kind: "removedFromGroup" },
  };
}

/** The state as it has to be for a commit that takes in our own update. */
function withUpdate(group: ClientState, update: OwnUpdate): ClientState {
  const { privatePath } = group;
  const leafNodeIndex = privatePath.leafIndex * 2;
  const privateKeys = { ...privatePath.privateKeys, [leafNodeIndex]: update.hpkePrivateKey };
  return {
    ...group,
    privatePath: { ...privatePath, privateKeys },
    signaturePrivateKey: update.signaturePrivateKey,
  };
}

/** The outcome for what can never be read. */
export function unreadable(reason: string): GroupMessageOutcome {
  return { type: "unreadable", reason };
}
