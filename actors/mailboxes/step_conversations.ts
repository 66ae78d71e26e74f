/** Conversations in a step: found, changed, and believed when others speak of them. */
import type { DeviceId } from "../../protocols/ids.ts";
import {
  CONVERSATION_MEMBERS_MAX,
  type ConversationContent,
  type ConversationId,
} from "../../protocols/mailbox/content.ts";
import { problemOfContent } from "../../protocols/mailbox/content_wire.ts";
import {
  directConversationContent,
  isHandedOver,
  problemOfConversation,
} from "../../protocols/mailbox/conversations.ts";
import { invariant } from "../../platform/invariant.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { ConversationRow } from "../../store/mail.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { ConversationChange, ConversationView } from "../mail_handle.ts";
import { conversationView, membersOf } from "../mail_views.ts";
import { ensureGroup, leaderNow, leads } from "./step_groups.ts";
import { queueForAll } from "./step_outgoing.ts";
import {
  foundedBy,
  restated,
  showEvidence,
  statementsContent,
  storedChain,
  urge,
} from "./step_statements.ts";
import type { Step } from "./step.ts";

/** The direct conversation with another device, made if need be. */
export async function directRow(step: Step, other: DeviceId): Promise<ConversationRow> {
  const { registry } = step.view;
  invariant(registry !== null, "a direct conversation needs a mesh");
  const content = directConversationContent(
    step.deps.crypto,
    registry.mesh,
    step.deps.self,
    other,
  );
  const { conversation } = content;
  const known = await step.get("conversations", { conversation });
  if (known !== undefined) return known;
  const row = rowOf(step, content, { direct: 1, clock: 0, ownNumber: 0 });
  step.put("conversations", row);
  step.facts.events.push({ type: "conversationChanged", conversation });
  return row;
}

/** The id that the direct conversation with another device has; undefined before this device belongs to a mesh. */
export function directIdWith(step: Step, other: DeviceId): ConversationId | undefined {
  const { registry } = step.view;
  const { crypto, self } = step.deps;
  if (registry === null || other === self) return undefined;
  return directConversationContent(crypto, registry.mesh, self, other).conversation;
}

/** A new group led by this device; the others are told. */
export async function foundConversation(
  step: Step,
  options: {
    /** 16 random bytes: the conversation is named by them and this device. */
    readonly nonce: Uint8Array;
    readonly title: string;
    readonly others: readonly DeviceId[];
  },
): Promise<Outcome<ConversationRow>> {
  const { self } = step.deps;
  const { nonce, title, others } = options;
  const founded = foundedBy(step, { nonce, title, members: [self, ...others].sort() });
  if (typeof founded === "string") return refused("invalid", founded);
  const { conversation, fields } = founded;
  const own = { direct: 0, clock: 0, ownNumber: 0, changedAtMs: step.nowMs };
  const row: ConversationRow = { conversation, ...own, ...fields };
  step.put("conversations", row);
  step.facts.events.push({ type: "conversationChanged", conversation: row.conversation });
  await sendConversation(step, row, others);
  return { type: "done", value: row };
}

/** Tells devices who is in a conversation, with the evidence if there is one. */
export async function sendConversation(
  step: Step,
  row: ConversationRow,
  to: readonly DeviceId[],
): Promise<void> {
  const chain = storedChain(step, row);
  const content = chain === null ? contentOf(row) : statementsContent(row, chain);
  await queueForAll(step, to, content, { conversation: row.conversation });
}

/** A user changes title or members: the leader carries it out, others ask the leader to. */
export async function changeConversation(
  step: Step,
  conversation: ConversationId,
  change: ConversationChange,
): Promise<Outcome<ConversationView>> {
  const { self } = step.deps;
  const row = await step.get("conversations", { conversation });
  if (row === undefined) {
    return refused("notFound", `there is no conversation "${conversation}" on this device`);
  }
  const before = membersOf(row);
  if (row.direct === 1) return refused("invalid", "a direct conversation never changes");
  if (!before.includes(self)) return refused("notPermitted", "this device is not in it");
  const stranger = change.add?.find((device) => !step.isAdmitted(device));
  if (stranger !== undefined) {
    return refused("notFound", `device "${stranger}" is not a member of the mesh`);
  }
  const silent = change.add?.find((device) => !may(step.view.registry, device, "messages.send"));
  if (silent !== undefined) {
    return refused("notPermitted", `device "${silent}" lacks the permission messages.send`);
  }
  const members = [...new Set([...before, ...change.add ?? []])]
    .filter((device) => !change.remove?.includes(device)).sort();
  if (members.length < 2 || members.length > CONVERSATION_MEMBERS_MAX) {
    return refused(
      "invalid",
      `it would have ${members.length} members, expected 2 to ${CONVERSATION_MEMBERS_MAX}`,
    );
  }
  const title = change.title ?? row.title;
  const wanted = { ...contentOf(row), version: row.version + 1, title, members };
  const problem = problemOfContent(wanted);
  if (problem !== undefined) return refused("invalid", problem);
  if (leads(step, row)) {
    if (!members.includes(self)) {
      return refused("invalid", "the leader cannot leave; remove this device from another member");
    }
    await reform(step, row, { title, members });
  } else {
    const leader = leaderNow(step, row);
    if (leader === undefined) return refused("unavailable", "nobody who leads it is left");
    await urge(step, row);
    await queueForAll(step, [leader], wanted, { conversation });
  }
  const changed = await step.get("conversations", { conversation }) ?? row;
  return { type: "done", value: await conversationView(step, changed) };
}

/** The leader's change: a new version for everybody who is, was or believes to be in it, and the group after it. */
export async function reform(
  step: Step,
  row: ConversationRow,
  change: { readonly title: string; readonly members: readonly DeviceId[] },
  believers: readonly DeviceId[] = [],
): Promise<void> {
  const { self } = step.deps;
  const unsigned = {
    title: change.title,
    members: JSON.stringify(change.members),
    version: row.version + 1,
    leader: self,
  };
  const stated = row.statements === null ? unsigned : restated(step, row, change);
  if (stated === undefined) return;
  const next: ConversationRow = { ...row, ...stated, changedAtMs: step.nowMs };
  step.put("conversations", next);
  const told = [...new Set([...membersOf(row), ...change.members, ...believers])].sort();
  await sendConversation(step, next, told);
  step.facts.events.push({ type: "conversationChanged", conversation: row.conversation });
  await ensureGroup(step, row.conversation);
}

/** Another device says who should be in a conversation: a wish, unless nothing is signed in it. True when that was news. */
export async function onConversation(
  step: Step,
  from: DeviceId,
  content: ConversationContent,
): Promise<boolean> {
  const { self } = step.deps;
  const { conversation, members } = content;
  const row = await step.get("conversations", { conversation });
  if (row?.direct === 1 || conversation === directIdWith(step, from)) {
    step.warn(from, "wrongConversation", "a direct conversation never changes");
    return false;
  }
  if (row !== undefined && leads(step, row) && membersOf(row).includes(from)) {
    return await onWish(step, from, row, content);
  }
  if (row !== undefined && row.statements !== null) {
    await showEvidence(step, from, row);
    return false;
  }
  if (row === undefined && isHandedOver(content, from, self, (id) => step.isAdmitted(id))) {
    const { title } = content;
    const row = rowOf(step, content, { direct: 0, clock: 0, ownNumber: 0 });
    await reform(step, row, { title, members: members.filter((id) => step.isAdmitted(id)) });
    return true;
  }
  const known = row === undefined ? null : contentOf(row);
  const problem = problemOfConversation(known, content, from, (id) => step.isAdmitted(id));
  if (problem !== undefined) {
    // What was said before comes again when it was not known whether it had arrived.
    if (known === null || content.version > known.version) {
      step.warn(from, "wrongConversation", problem);
    }
    return false;
  }
  if (known === null && !members.includes(self)) return false;
  step.put(
    "conversations",
    rowOf(step, content, {
      direct: 0,
      clock: row?.clock ?? 0,
      ownNumber: row?.ownNumber ?? 0,
    }),
  );
  if (!members.includes(self)) step.remove("groups", { conversation });
  step.facts.events.push({ type: "conversationChanged", conversation });
  return true;
}

/** A member asks its leader, us, for a change: done when it builds on the newest version. */
async function onWish(
  step: Step,
  from: DeviceId,
  row: ConversationRow,
  content: ConversationContent,
): Promise<boolean> {
  const { self } = step.deps;
  if (content.version !== row.version + 1) return false;
  const members = content.members.filter((device) => step.isAdmitted(device));
  if (!members.includes(self) || members.length < 2) {
    step.warn(from, "wrongConversation", "a member asked to remove the leader or everybody");
    return false;
  }
  await reform(step, row, { title: content.title, members });
  return true;
}

/** The stored conversation as its leader would state it. */
function contentOf(row: ConversationRow): ConversationContent {
  const { conversation, version, title, leader } = row;
  return { type: "conversation", conversation, version, title, members: membersOf(row), leader };
}

function rowOf(
  step: Step,
  content: ConversationContent,
  own: Pick<ConversationRow, "direct" | "clock" | "ownNumber">,
): ConversationRow {
  const { conversation, title, version, members, leader } = content;
  return {
    conversation,
    title,
    version,
    members: JSON.stringify(members),
    leader,
    incarnation: 0,
    statements: null,
    changedAtMs: step.nowMs,
    ...own,
  };
}

function refused(reason: Refusal["reason"], why: string): Refusal {
  return { type: "refused", reason, message: `Cannot change the conversation: ${why}` };
}
