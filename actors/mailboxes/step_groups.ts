/**
 * MLS groups of conversations in a step. Only the leader of a conversation commits: it makes the group, adds and removes, renews keys. The
 * others offer new keys to it, and ask to be added again when they cannot follow.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import type { ConversationId, GroupContent, MessageId } from "../../protocols/mailbox/content.ts";
import { decodeContent } from "../../protocols/mailbox/content_wire.ts";
import { leaderOf } from "../../protocols/mailbox/conversations.ts";
import { isOver, successorOf } from "../../protocols/mailbox/statements.ts";
import type { ConversationRow, GroupRow } from "../../store/mail.ts";
import { membersOf } from "../mail_views.ts";
import { directIdWith, directRow, sendConversation } from "./step_conversations.ts";
import { storeMessage } from "./step_messages.ts";
import { queueContent, queueForAll } from "./step_outgoing.ts";
import { showEvidence, standingOf } from "./step_statements.ts";
import type { Step } from "./step.ts";

/** Own key packages looked at for a welcome, at most. */
const OWN_PACKAGES_MAX = 64;
const NO_MESSAGE = "0".repeat(32) as MessageId;

/** What became of a content: it waits for its conversation or its epoch, or there is nothing more to do. */
export type ContentFate =
  | { readonly type: "done" }
  | {
    readonly type: "wait";
    readonly reason: "conversation" | "epoch";
    readonly conversation: ConversationId | null;
  };

export const DONE: ContentFate = { type: "done" };

/** True when this device commits to the conversation's group now. */
export function leads(step: Step, row: ConversationRow): boolean {
  return leaderNow(step, row) === step.deps.self;
}

/** Who commits to the conversation's group now; undefined when nobody is left. */
export function leaderNow(step: Step, row: ConversationRow): DeviceId | undefined {
  const members = membersOf(row);
  if (row.statements === null) {
    return leaderOf({ members, leader: row.leader }, (device) => step.isAdmitted(device));
  }
  const standing = standingOf(step);
  return isOver(row, standing)
    ? successorOf({ members, leader: row.leader }, standing)
    : row.leader;
}

/** Makes the group what its conversation says, if we lead it and everybody new can be added; else everything stays. */
export async function ensureGroup(step: Step, conversation: ConversationId): Promise<void> {
  const { self, groupCrypto } = step.deps;
  const row = await step.get("conversations", { conversation });
  if (row === undefined || !leads(step, row)) return;
  const wanted = membersOf(row).filter((device) => step.isAdmitted(device));
  if (wanted.length < 2) return;
  const group = await step.get("groups", { conversation });
  const present = group === undefined ? [self] : membersOf(group);
  const remove = present.filter((device) => !wanted.includes(device));
  const packages: Uint8Array[] = [];
  let complete = true;
  for (const device of wanted) {
    if (present.includes(device)) continue;
    const chosen = await packageOf(step, device, "any");
    if (chosen === undefined) complete = false;
    else packages.push(chosen);
  }
  if (group === undefined) {
    if (!complete) return;
    const own = await groupCrypto.keyPackage(self);
    const state = await groupCrypto.create(Uint8Array.fromHex(conversation), own);
    const empty = groupRow(step, conversation, { epoch: 0, members: [self], state });
    return await commit(step, empty, { add: packages, remove: [] });
  }
  if (packages.length === 0 && remove.length === 0) return;
  await commit(step, group, { add: packages, remove });
}

/** One commit, sent to everybody it concerns. */
async function commit(
  step: Step,
  group: GroupRow,
  change: { readonly add: readonly Uint8Array[]; readonly remove: readonly DeviceId[] },
): Promise<void> {
  const { groupCrypto, self } = step.deps;
  const { conversation } = group;
  const before = membersOf(group);
  const result = await groupCrypto.change(group.state, change);
  const view = await groupCrypto.view(result.state);
  const members = view.members as readonly DeviceId[];
  step.put(
    "groups",
    groupRow(step, conversation, { epoch: result.epoch, members, state: result.state }),
  );
  const added: DeviceId[] = [];
  for (const bytes of change.add) {
    const id = (await groupCrypto.inspect(bytes))?.deviceId;
    if (id !== undefined) added.push(id as DeviceId);
  }
  const about = { conversation };
  const staying = before.filter((device) =>
    device !== self && members.includes(device) && !added.includes(device)
  );
  await queueForAll(step, staying, {
    type: "group",
    conversation,
    kind: "commit",
    epoch: group.epoch,
    bytes: result.commit,
  }, about);
  if (result.welcome !== null) {
    await queueForAll(step, added, {
      type: "group",
      conversation,
      kind: "welcome",
      epoch: result.epoch,
      bytes: result.welcome,
    }, about);
  }
  if (group.members !== JSON.stringify(members)) {
    step.facts.events.push({ type: "conversationChanged", conversation });
  }
}

/**
 * A published package of a device that can be used now. Which of them is left to chance, so that few are used twice; whoever could not use
 * the one it was given before gets the last, which may be used again.
 */
async function packageOf(
  step: Step,
  device: DeviceId,
  which: "any" | "lasting",
): Promise<Uint8Array | undefined> {
  const packages = step.view.keys.get(device)?.keyPackages ?? [];
  if (packages.length === 0) return undefined;
  const first = which === "any" ? step.view.random.below(packages.length) : packages.length - 1;
  for (let i = 0; i < packages.length; i++) {
    const chosen = packages[(first + i) % packages.length]!;
    if ((await step.deps.groupCrypto.inspect(chosen))?.deviceId === device) return chosen;
  }
  return undefined;
}

/** A message went through the group. After enough of them, or enough time, keys are renewed. */
export async function noteUse(step: Step, conversation: ConversationId): Promise<void> {
  const group = await step.get("groups", { conversation });
  if (group === undefined) return;
  step.put("groups", { ...group, messages: group.messages + 1 });
  await renewIfDue(step, conversation);
}

/** Renews our keys in a group when that is due: by a commit if we lead, else by an offer to whoever does. */
export async function renewIfDue(step: Step, conversation: ConversationId): Promise<void> {
  const { limits, groupCrypto } = step.deps;
  const group = await step.get("groups", { conversation });
  const row = await step.get("conversations", { conversation });
  if (group === undefined || row === undefined) return;
  const due = group.messages >= limits.renewMessages ||
    (group.messages > 0 && step.nowMs - group.renewedAtMs >= limits.renewMs);
  if (!due) return;
  if (leads(step, row)) return await commit(step, group, { add: [], remove: [] });
  const leader = leaderNow(step, row);
  if (leader === undefined) return;
  const { state, proposal } = await groupCrypto.proposeUpdate(group.state);
  step.put("groups", { ...group, state, messages: 0, renewedAtMs: step.nowMs });
  await queueContent(step, leader, {
    type: "group",
    conversation,
    kind: "proposal",
    epoch: group.epoch,
    bytes: proposal,
  }, { conversation });
}

/** Something of a group has come. */
export async function onGroup(
  step: Step,
  from: DeviceId,
  content: GroupContent,
): Promise<ContentFate> {
  const { conversation, kind } = content;
  const isDirect = conversation === directIdWith(step, from);
  const row = isDirect
    ? await directRow(step, from)
    : await step.get("conversations", { conversation });
  if (row === undefined) {
    if (kind === "rejoin") return DONE;
    return { type: "wait", reason: "conversation", conversation };
  }
  if (!membersOf(row).includes(from)) {
    step.warn(from, "notAMember", `it is not in conversation ${conversation}`);
    await showEvidence(step, from, row);
    return DONE;
  }
  if (kind === "rejoin") return await onRejoin(step, from, row);
  if (kind === "welcome") return await onWelcome(step, from, row, content);
  const group = await step.get("groups", { conversation });
  const wait: ContentFate = { type: "wait", reason: "epoch", conversation };
  if (group === undefined) return wait;
  if (kind === "commit" && from !== leaderNow(step, row)) {
    step.warn(from, "wrongCommit", `it does not lead conversation ${conversation}`);
    await showEvidence(step, from, row);
    return DONE;
  }
  const outcome = await step.deps.groupCrypto.process(group.state, content.bytes);
  switch (outcome.type) {
    case "ahead":
      return wait;
    case "unreadable":
      // An offer that came after the next commit is void; its maker offers again.
      if (kind === "proposal") return DONE;
      step.warn(from, "unreadable", `${kind} in ${conversation}: ${outcome.reason}`);
      if (content.epoch >= group.epoch) await requestRejoin(step, conversation);
      else if (kind === "application") return await onFarBehind(step, from, row);
      return DONE;
    case "application": {
      step.put("groups", { ...group, state: outcome.state });
      const inner = decodeContent(outcome.plaintext);
      if (
        !inner.ok || inner.message.type !== "message" || outcome.sender !== from ||
        inner.message.conversation !== conversation
      ) {
        step.warn(from, "badContent", `what it sent to the group of ${conversation} is no message`);
        return DONE;
      }
      await noteUse(step, conversation);
      return await storeMessage(step, from, inner.message, "mls");
    }
    case "changed": {
      const members = outcome.members as readonly DeviceId[];
      if (!members.includes(step.deps.self)) step.remove("groups", { conversation });
      else {
        step.put(
          "groups",
          groupRow(step, conversation, { epoch: outcome.epoch, members, state: outcome.state }),
        );
      }
      step.facts.events.push({ type: "conversationChanged", conversation });
      return DONE;
    }
    case "proposed":
      return await onProposal(step, from, row, { ...group, state: outcome.state }, content);
  }
}

/** A member offers new keys: we pass its offer to the others, who need it to follow, and commit to it. */
async function onProposal(
  step: Step,
  from: DeviceId,
  row: ConversationRow,
  group: GroupRow,
  content: GroupContent,
): Promise<ContentFate> {
  step.put("groups", group);
  if (!leads(step, row)) return DONE;
  const others = membersOf(group).filter((device) => device !== from);
  await queueForAll(step, others, content, { conversation: row.conversation });
  await commit(step, group, { add: [], remove: [] });
  return DONE;
}

async function onWelcome(
  step: Step,
  from: DeviceId,
  row: ConversationRow,
  content: GroupContent,
): Promise<ContentFate> {
  const { groupCrypto, self } = step.deps;
  const { conversation } = row;
  if (from !== leaderNow(step, row)) {
    step.warn(from, "wrongWelcome", `it does not lead conversation ${conversation}`);
    await showEvidence(step, from, row);
    return DONE;
  }
  const packages = await step.list("keyPackages", { limit: OWN_PACKAGES_MAX });
  for (const { hash, publicPackage, privatePackage, lasting } of packages) {
    const state = await groupCrypto.join(content.bytes, { publicPackage, privatePackage });
    if (state === undefined) continue;
    const view = await groupCrypto.view(state);
    const members = view.members as readonly DeviceId[];
    if (view.groupId.toHex() !== conversation || !members.includes(self)) {
      step.warn(from, "wrongWelcome", `it leads to another group than ${conversation}`);
      return DONE;
    }
    // Gone with the keys it held: what was sent before is not opened by whoever takes this device.
    if (lasting === 0) step.remove("keyPackages", { hash });
    step.facts.keysUsed ||= lasting === 0;
    step.put("groups", groupRow(step, conversation, { epoch: view.epoch, members, state }));
    step.facts.events.push({ type: "conversationChanged", conversation });
    return DONE;
  }
  step.warn(from, "wrongWelcome", `no key of this device opens it (${conversation})`);
  await requestRejoin(step, conversation);
  return DONE;
}

/** Whoever writes in an epoch that nobody keeps any more has an old state, and would go on like this: it and we must meet in a new epoch. */
async function onFarBehind(
  step: Step,
  from: DeviceId,
  row: ConversationRow,
): Promise<ContentFate> {
  if (from !== leaderNow(step, row)) return await onRejoin(step, from, row);
  await requestRejoin(step, row.conversation);
  return DONE;
}

/** A member has lost its state: it is added anew. Not more often than it may ask. */
async function onRejoin(
  step: Step,
  from: DeviceId,
  row: ConversationRow,
): Promise<ContentFate> {
  const { conversation, leader } = row;
  const leading = leaderNow(step, row);
  if (row.statements !== null && leading !== step.deps.self) {
    // It takes us for the leader, or does not know who leads: any member can show it.
    await showEvidence(step, from, row);
    return DONE;
  }
  // Who takes the lead from a device that has left may never have heard of the conversation: any member tells it.
  const succeeds = from === leading && from !== leader;
  if (leading !== step.deps.self && !succeeds) return DONE;
  if (!await mayAsk(step, `rejoined/${conversation}/${from}`)) return DONE;
  if (row.direct === 0) await sendConversation(step, row, [from]);
  if (succeeds) return DONE;
  const group = await step.get("groups", { conversation });
  const chosen = await packageOf(step, from, "lasting");
  if (group === undefined || chosen === undefined) {
    await ensureGroup(step, conversation);
    return DONE;
  }
  // Who is in the group already is replaced.
  await commit(step, group, { add: [chosen], remove: [] });
  return DONE;
}

/** Asks the leader to add us again; everybody, when we do not know the conversation. Leads we it ourselves, the group is made anew. */
export async function requestRejoin(step: Step, conversation: ConversationId): Promise<void> {
  const { self } = step.deps;
  if (!await mayAsk(step, `rejoin/${conversation}`)) return;
  const row = await step.get("conversations", { conversation });
  const leader = row === undefined ? undefined : leaderNow(step, row);
  if (leader === self) {
    step.remove("groups", { conversation });
    return await ensureGroup(step, conversation);
  }
  const asked = leader === undefined ? [...step.view.keys.keys()].sort() : [leader];
  await queueForAll(step, asked, {
    type: "group",
    conversation,
    kind: "rejoin",
    epoch: 0,
    bytes: new Uint8Array(0),
  }, { conversation });
}

/** True when something was not done for a while, and may be done again. */
export async function mayAsk(step: Step, what: string): Promise<boolean> {
  const before = await step.get("requests", { request: what });
  // A clock that was put back must not keep us from asking.
  const sinceMs = before === undefined ? Infinity : Math.abs(step.nowMs - before.atMs);
  if (sinceMs < step.deps.limits.rejoinMs) return false;
  step.put("requests", { request: what, asked: "", message: NO_MESSAGE, atMs: step.nowMs });
  return true;
}

function groupRow(
  step: Step,
  conversation: ConversationId,
  group: {
    readonly epoch: number;
    readonly members: readonly DeviceId[];
    readonly state: Uint8Array;
  },
): GroupRow {
  return {
    conversation,
    epoch: group.epoch,
    members: JSON.stringify([...group.members].sort()),
    state: group.state,
    messages: 0,
    renewedAtMs: step.nowMs,
  };
}
