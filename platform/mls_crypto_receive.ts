/** What other members sent: application messages, commits and proposals, judged and applied. The state it gets is not changed. */
import {
  type CiphersuiteImpl,
  type ClientState,
  emptyPskIndex,
  type IncomingMessageCallback,
  type PrivateMessage,
  processPrivateMessage,
  type ProposalWithSender,
  zeroOutUint8Array,
} from "ts-mls";
import { encodeLeafNode } from "ts-mls/leafNode.js";
import { decryptSenderData } from "ts-mls/privateMessage.js";
import { equalBytes } from "../protocols/codec.ts";
import type { DeviceId } from "../protocols/ids.ts";
import type { GroupMessageOutcome } from "./group_crypto.ts";
import { devicesOfTree, holdsTwice, membersOf } from "./mls_crypto_leaf.ts";
import { encodeState, type GroupStateParts, type OwnUpdate } from "./mls_crypto_state.ts";

/** Reads a message of this epoch or a past one, of an active group. Throws whatever is wrong with it. */
export async function processed(
  { group, ownUpdate }: GroupStateParts,
  message: PrivateMessage,
  suite: CiphersuiteImpl,
): Promise<GroupMessageOutcome> {
  const isCurrent = message.epoch === group.groupContext.epoch;
  const past = group.historicalReceiverData.get(message.epoch);
  if (!isCurrent && past === undefined) return unreadable("its epoch is too old");
  const senderDataSecret = past?.senderDataSecret ?? group.keySchedule.senderDataSecret;
  const sender = await senderOf(message, senderDataSecret, past?.ratchetTree ?? group.ratchetTree);
  if (sender === undefined) return unreadable("its sender is no member");
  const epoch = Number(message.epoch);

  async function senderOf(
    one: PrivateMessage,
    secret: Uint8Array,
    tree: ClientState["ratchetTree"],
  ): Promise<DeviceId | undefined> {
    const data = await decryptSenderData(one, secret, suite);
    return data === undefined ? undefined : devicesOfTree(tree)[data.leafIndex];
  }

  if (message.contentType === "commit") {
    return await applied({ group, ownUpdate }, message, sender, suite);
  }
  const result = await processPrivateMessage(group, message, emptyPskIndex, suite, updatesOnly);
  if (result.kind === "applicationMessage") {
    const state = encodeState({ group: result.newState, ownUpdate });
    result.consumed.forEach(zeroOutUint8Array);
    return { type: "application", state, plaintext: result.message, sender, epoch };
  }
  if (result.actionTaken === "reject") return unreadable("a proposal of another kind");
  return { type: "proposed", state: encodeState({ group: result.newState, ownUpdate }), sender };
}

async function applied(
  { group, ownUpdate }: GroupStateParts,
  message: PrivateMessage,
  sender: DeviceId,
  suite: CiphersuiteImpl,
): Promise<GroupMessageOutcome> {
  let before = group;
  if (ownUpdate !== null) {
    // Its secrets are for the leaf that stands in the tree after it: first look whether that is our new one.
    let takesOurs = false;
    await processPrivateMessage(group, message, emptyPskIndex, suite, (incoming) => {
      takesOurs = incoming.kind === "commit" && incoming.proposals.some(isOurs);
      return "reject";
    });
    if (takesOurs) before = withUpdate(group, ownUpdate);
  }
  const removed = new Set<number>();
  const result = await processPrivateMessage(before, message, emptyPskIndex, suite, (incoming) => {
    if (incoming.kind !== "commit" || incoming.senderLeafIndex === undefined) return "reject";
    for (const { proposal } of incoming.proposals) {
      if (proposal.proposalType === "remove") removed.add(proposal.remove.removed);
      else if (proposal.proposalType !== "add" && proposal.proposalType !== "update") {
        return "reject";
      }
    }
    return "accept";
  });
  if (result.kind !== "newState" || result.actionTaken === "reject") {
    return unreadable("a commit that does what groups here do not do");
  }
  const { newState } = result;
  const devices = devicesOfTree(newState.ratchetTree);
  const changesDevice = devicesOfTree(group.ratchetTree).some((device, leafIndex) =>
    device !== undefined && !removed.has(leafIndex) && devices[leafIndex] !== device
  );
  if (changesDevice || holdsTwice(devices)) {
    return unreadable("a commit that puts a leaf under another device");
  }
  const state = encodeState({ group: newState, ownUpdate: null });
  const members = membersOf(newState);
  const epoch = Number(message.epoch) + 1;
  result.consumed.forEach(zeroOutUint8Array);
  return { type: "changed", state, sender, epoch, members };

  function isOurs({ proposal, senderLeafIndex }: ProposalWithSender): boolean {
    return proposal.proposalType === "update" && senderLeafIndex === group.privatePath.leafIndex &&
      equalBytes(encodeLeafNode(proposal.update.leafNode), ownUpdate!.leaf);
  }
}

const updatesOnly: IncomingMessageCallback = (incoming) =>
  incoming.kind === "proposal" && incoming.proposal.proposal.proposalType === "update" &&
    incoming.proposal.senderLeafIndex !== undefined
    ? "accept"
    : "reject";

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
