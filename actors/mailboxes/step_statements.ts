/**
 * Who leads a conversation, and who is in it, by signed statements. Devices that see it differently show each other their evidence, and the
 * better one counts for both; whoever has to take over then does so, knowing both.
 */
import { isAdmitted } from "../../protocols/registry/registry.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import {
  type ConversationContent,
  type ConversationId,
  STATEMENTS_MAX,
  type StatementsContent,
} from "../../protocols/mailbox/content.ts";
import {
  chainOf,
  compareChains,
  type ConversationStatement,
  decodeStored,
  encodeChain,
  groupConversation,
  headOf,
  isOver,
  joined,
  problemOfStatement,
  signedMessageOfStatement,
  signStatement,
  type StandingOf,
  type StatementChain,
  validPart,
} from "../../protocols/mailbox/statements.ts";
import { invariant } from "../../platform/invariant.ts";
import type { ConversationRow } from "../../store/mail.ts";
import { membersOf } from "../mail_views.ts";
import { reform } from "./step_conversations.ts";
import { ensureGroup, leaderNow, mayAsk } from "./step_groups.ts";
import { queueContent } from "./step_outgoing.ts";
import type { Step } from "./step.ts";

/** What a statement decides of a row. */
type StatedFields = Pick<
  ConversationRow,
  "title" | "version" | "members" | "leader" | "incarnation" | "statements"
>;

/** What this device's registry says of others. */
export function standingOf(step: Step): StandingOf {
  const { registry } = step.view;
  return (device) => {
    const member = registry?.members.get(device);
    if (member === undefined) return undefined;
    return { admitted: isAdmitted(registry, device), incarnation: member.incarnation };
  };
}

/**
 * The evidence for a stored conversation; null when it has none. The row follows its first part: the rest counts as soon as the registry
 * says so, because a statement may be here before the news that its leader had to take over.
 */
export function storedChain(
  step: Step,
  { conversation, statements }: Pick<ConversationRow, "conversation" | "statements">,
): StatementChain | null {
  const { registry } = step.view;
  if (statements === null || registry === null) return null;
  const chain = chainOf(conversation, decodeStored(statements), {
    mesh: registry.mesh,
    crypto: step.deps.crypto,
  });
  invariant(chain.ok, `stored statements of conversation ${conversation} cannot be read`);
  return chain.message;
}

/** The first part of the evidence: what the row follows. */
function followedPart(chain: StatementChain, { version }: ConversationRow): StatementChain {
  const [first, ...rest] = chain;
  // Versions grow along a chain.
  return [first, ...rest.filter((statement) => statement.version <= version)];
}

/** The first statement of a conversation that this device founds, as its row keeps it; or why it cannot be. */
export function foundedBy(
  step: Step,
  founding: {
    readonly nonce: Uint8Array;
    readonly title: string;
    readonly members: readonly DeviceId[];
  },
): { readonly conversation: ConversationId; readonly fields: StatedFields } | string {
  const { self, crypto } = step.deps;
  const { registry } = step.view;
  invariant(registry !== null, "a conversation needs a mesh");
  const { nonce, title, members } = founding;
  const conversation = groupConversation(crypto, registry.mesh, self, nonce);
  const signed = sign(step, { conversation, version: 1, title, members, origin: nonce });
  return typeof signed === "string"
    ? signed
    : { conversation, fields: fieldsOf([signed] as const) };
}

/**
 * A row as we, who lead, state it anew: after our own word, or in the place of a leader that has left. Undefined, with a warning, when it
 * cannot be stated.
 */
export function restated(
  step: Step,
  row: ConversationRow,
  change: { readonly title: string; readonly members: readonly DeviceId[] },
): StatedFields | undefined {
  const whole = storedChain(step, row);
  invariant(whole !== null, "only a signed conversation is stated anew");
  const chain = followedPart(whole, row);
  const head = headOf(chain);
  const { conversation } = row;
  const { title, members } = change;
  const goesOn = head.leader === step.deps.self && !isOver(head, standingOf(step));
  const origin = goesOn ? head.origin : Uint8Array.fromHex(head.id);
  const before = goesOn ? chain.slice(0, -1) : chain;
  const next = before.length >= STATEMENTS_MAX
    ? `${STATEMENTS_MAX} leaders have left it one after another; found a new conversation`
    : sign(step, { conversation, version: head.version + 1, title, members, origin });
  if (typeof next === "string") {
    step.warn(null, "cannotLead", `conversation ${conversation}: ${next}`);
    return undefined;
  }
  const [first, ...rest] = [...before, next];
  return fieldsOf([first!, ...rest]);
}

function sign(
  step: Step,
  statement: Omit<ConversationStatement, "leader" | "incarnation">,
): StatementChain[0] | string {
  const { self, signer, crypto } = step.deps;
  const { registry } = step.view;
  const incarnation = registry?.members.get(self)?.incarnation;
  if (registry === null || incarnation === undefined) return "this device is no member of the mesh";
  const whole = { ...statement, leader: self, incarnation };
  return problemOfStatement(whole) ??
    signStatement(whole, { mesh: registry.mesh, signer, crypto });
}

function fieldsOf(chain: StatementChain, evidence = chain): StatedFields {
  const { title, version, members, leader, incarnation } = headOf(chain);
  return {
    title,
    version,
    members: JSON.stringify(members),
    leader,
    incarnation,
    statements: encodeChain(evidence),
  };
}

/** What a device is sent of a signed conversation. */
export function statementsContent(
  { conversation }: Pick<ConversationRow, "conversation">,
  chain: StatementChain,
): StatementsContent {
  return { type: "statements", conversation, statements: chain.map(({ signed }) => signed) };
}

/** Shows our evidence to a device that sees the conversation differently. Not the same more often than it may ask. */
export async function showEvidence(
  step: Step,
  to: DeviceId,
  row: ConversationRow,
): Promise<void> {
  const chain = storedChain(step, row);
  const { conversation } = row;
  if (chain === null) return;
  if (!await mayAsk(step, `shown/${conversation}/${to}/${headOf(chain).id}`)) return;
  await queueContent(step, to, statementsContent(row, chain), { conversation });
}

/** A device shows its evidence. True when that was news. */
export async function onStatements(
  step: Step,
  from: DeviceId,
  content: StatementsContent,
): Promise<boolean> {
  const { registry } = step.view;
  const { crypto } = step.deps;
  const { conversation } = content;
  if (registry === null) return false;
  const { mesh } = registry;
  const decoded = chainOf(conversation, content.statements, { mesh, crypto });
  if (!decoded.ok) {
    step.warn(from, "wrongConversation", decoded.reason);
    return false;
  }
  const chain = decoded.message;
  const row = await step.get("conversations", { conversation });
  const own = row === undefined ? null : storedChain(step, row);
  const unseen = chain.filter(({ id }) => !own?.some((known) => known.id === id));
  const genuine = await crypto.verifyMany(
    unseen.map((statement) => signedMessageOfStatement(mesh, statement)),
  );
  if (genuine.includes(false)) {
    step.warn(from, "forged", `a statement about conversation ${conversation} is not signed`);
    return false;
  }
  const standing = standingOf(step);
  const valid = validPart(chain, standing);
  const better = own === null ? 1 : compareChains(valid, validPart(own, standing));
  if (row === undefined || better > 0) {
    if (row === undefined && !headOf(valid).members.includes(step.deps.self)) return false;
    await adopt(
      step,
      row,
      { chain: valid, evidence: chain },
      own === null ? [chain] : [own, chain],
    );
    return true;
  }
  if (better < 0) await showEvidence(step, from, row);
  else if (own !== null && compareChains(chain, own) > 0) {
    // Why its author leads may be news that has not come yet.
    step.put("conversations", { ...row, statements: encodeChain(chain) });
  }
  return false;
}

/** As much of the evidence as the chain counts from now on. Who has to lead by it takes the lead. */
async function adopt(
  step: Step,
  before: ConversationRow | undefined,
  { chain, evidence }: { readonly chain: StatementChain; readonly evidence: StatementChain },
  known: readonly StatementChain[],
): Promise<void> {
  const { self } = step.deps;
  const head = headOf(chain);
  const { conversation, members } = head;
  const row: ConversationRow = {
    conversation,
    direct: 0,
    clock: before?.clock ?? 0,
    ownNumber: before?.ownNumber ?? 0,
    ...fieldsOf(chain, evidence),
    changedAtMs: step.nowMs,
  };
  step.put("conversations", row);
  step.facts.events.push({ type: "conversationChanged", conversation });
  if (!members.includes(self)) return step.remove("groups", { conversation });
  const leader = leaderNow(step, row);
  if (leader === self) {
    if (isOver(head, standingOf(step))) await takeLead(step, row, known);
    else await ensureGroup(step, conversation);
    return;
  }
  if (leader === undefined) return;
  if (isOver(head, standingOf(step))) return await showEvidence(step, leader, row);
  if (before?.leader !== self) return;
  // We led by what we knew; what we changed is not lost, if it may be.
  const wanted = joined(chain, known, standingOf(step));
  const same = wanted.title === head.title &&
    JSON.stringify(wanted.members) === JSON.stringify(members);
  if (same || !wanted.members.includes(leader) || wanted.members.length < 2) return;
  const wish: ConversationContent = {
    type: "conversation",
    conversation,
    version: head.version + 1,
    ...wanted,
    leader,
  };
  await queueContent(step, leader, wish, { conversation });
}

/** We lead in the place of one that has left. The group is founded anew: its members may stand in several. */
async function takeLead(
  step: Step,
  row: ConversationRow,
  known: readonly StatementChain[],
): Promise<void> {
  const { conversation } = row;
  const whole = storedChain(step, row);
  if (whole === null) return;
  const { title, members } = joined(followedPart(whole, row), known, standingOf(step));
  const present = [...new Set([...members, step.deps.self])]
    .filter((device) => step.isAdmitted(device)).sort();
  if (present.length < 2) return;
  step.remove("groups", { conversation });
  const heard = known.flatMap((one) => headOf(one).members);
  await reform(step, row, { title, members: present }, heard);
}

/**
 * The registry has changed: what counted may count no more, and a leader may have to be followed. True when more of the evidence counts now
 * than before.
 */
export async function onStandingChanged(step: Step, stored: ConversationRow): Promise<boolean> {
  const standing = standingOf(step);
  const whole = storedChain(step, stored);
  if (whole === null) return false;
  const before = followedPart(whole, stored);
  const chain = validPart(whole, standing);
  if (chain.length > before.length) {
    await adopt(step, stored, { chain, evidence: whole }, [whole]);
    return true;
  }
  const shortened = chain.length < before.length;
  const row = shortened ? { ...stored, ...fieldsOf(chain) } : stored;
  if (shortened) {
    step.put("conversations", row);
    step.facts.events.push({ type: "conversationChanged", conversation: row.conversation });
  }
  await followLeader(step, row, { shortened, whole });
  return false;
}

/** Leads, or sees to it that somebody does, after the registry has changed; nothing new is known of who that would be. */
async function followLeader(
  step: Step,
  row: ConversationRow,
  { shortened, whole }: { readonly shortened: boolean; readonly whole: StatementChain },
): Promise<void> {
  const { self } = step.deps;
  const { conversation, title } = row;
  if (!membersOf(row).includes(self)) return;
  const leader = leaderNow(step, row);
  if (leader === undefined) return;
  if (leader !== self) {
    if (!shortened) return await urge(step, row);
    // What did not count in the end may still say what was changed meanwhile.
    await queueContent(step, leader, statementsContent(row, whole), { conversation });
    return;
  }
  if (shortened) return await takeLead(step, row, [whole]);
  const members = membersOf(row).filter((device) => step.isAdmitted(device));
  const shrinks = members.length < membersOf(row).length;
  if (members.length < 2 || !(shrinks || isOver(row, standingOf(step)))) return;
  await reform(step, row, { title, members });
}

/** As long as nobody has taken the lead from one that has left, whoever must is shown why, one parcel at a time. */
export async function urge(step: Step, row: ConversationRow): Promise<void> {
  const { conversation } = row;
  if (row.statements === null || !isOver(row, standingOf(step))) return;
  const leader = leaderNow(step, row);
  if (leader === undefined || leader === step.deps.self) return;
  if (!membersOf(row).includes(step.deps.self)) return;
  const where = { recipient: leader, conversation, content: "statements" } as const;
  if ((await step.list("outgoing", { where, limit: 1 })).length > 0) return;
  await showEvidence(step, leader, row);
}
