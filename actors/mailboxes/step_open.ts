/**
 * Parcels for us: opened in the order of their sender's numbers. What comes too early waits, durably; what is missing for long is gone
 * without.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import type {
  Content,
  ConversationId,
  GroupContent,
  MessageContent,
} from "../../protocols/mailbox/content.ts";
import type { RefusalReason } from "../../protocols/mailbox/messages.ts";
import type { Parcel } from "../../protocols/mailbox/parcel.ts";
import { decodeParcel } from "../../protocols/mailbox/parcel_wire.ts";
import { openContent } from "../../protocols/mailbox/seal.ts";
import type { WaitingRow } from "../../store/mail.ts";
import { onConversation } from "./step_conversations.ts";
import { type ContentFate, DONE, onGroup } from "./step_groups.ts";
import { onPart, onReceipt, storeMessage } from "./step_messages.ts";
import { onStatements } from "./step_statements.ts";
import type { Step } from "./step.ts";

/** Numberings of one sender that are remembered, at most. */
const SERIES_MAX = 32;
/** As the next number: whichever comes. */
const ANY = 0;
/** Where it is kept that the disk was put back; no device has this id. */
const AFTER_RESTORE = { sender: "" as DeviceId, series: "" };
const STREAMS_MAX = 10_000;
/** Waiting parcels looked at in one go. */
const WAITING_MAX = 1_000;

/** A parcel that may be taken: sound, and signed by who is named as its sender. */
export interface Arrived {
  readonly parcel: Parcel;
  readonly encoded: Uint8Array;
}

/** A parcel for us: in its turn it is opened, before that it waits. */
export async function takeOwn(step: Step, arrived: Arrived): Promise<"taken" | RefusalReason> {
  const { header } = arrived.parcel;
  const series = header.series.toHex();
  const next = await nextOf(step, header.from, series);
  if (next !== ANY && header.number > next) {
    await wait(step, arrived, { reason: "gap", conversation: null });
    return "taken";
  }
  const fate = await open(step, arrived);
  if (fate === "noKey") {
    await wait(step, arrived, { reason: "key", conversation: null });
    return "taken";
  }
  if (fate === "invalid") return "invalid";
  if (fate.type === "wait") await wait(step, arrived, fate);
  else noteReceived(step, arrived.parcel);
  if (header.number === next || next === ANY) {
    await advance(step, header.from, series, header.number + 1);
    await drainStream(step, header.from, series);
  }
  return "taken";
}

async function nextOf(step: Step, sender: DeviceId, series: string): Promise<number> {
  const known = await step.get("streams", { sender, series });
  return known?.next ?? (await step.get("streams", AFTER_RESTORE))?.next ?? 1;
}

/**
 * The disk was put back: what came since was taken, and never comes again. No numbering is waited for any more; each goes on with what
 * comes first. Nothing is lost by that: what comes behind its turn is opened, too.
 */
export async function forgetNumbers(step: Step): Promise<void> {
  for (const row of await step.list("streams", { limit: STREAMS_MAX })) {
    step.remove("streams", { sender: row.sender, series: row.series });
  }
  step.put("streams", { ...AFTER_RESTORE, next: ANY, atMs: step.nowMs });
  const waiting = new Map<string, WaitingRow>();
  const where = { reason: "gap" } as const;
  for (const row of await step.list("waiting", { where, limit: STREAMS_MAX })) {
    waiting.set(`${row.sender} ${row.series}`, row);
  }
  for (const { sender, series } of waiting.values()) await drainStream(step, sender, series);
}

async function advance(
  step: Step,
  sender: DeviceId,
  series: string,
  next: number,
): Promise<void> {
  if (await step.get("streams", { sender, series }) === undefined) {
    const known = await step.list("streams", {
      where: { sender },
      order: ["atMs"],
      limit: SERIES_MAX,
    });
    if (known.length >= SERIES_MAX) step.remove("streams", { sender, series: known[0]!.series });
  }
  step.put("streams", { sender, series, next, atMs: step.nowMs });
}

function noteReceived(step: Step, { id, header }: Parcel): void {
  step.put("received", { id, expiresAtMs: header.expiresAtMs });
}

async function wait(
  step: Step,
  { parcel, encoded }: Arrived,
  why: { readonly reason: WaitingRow["reason"]; readonly conversation: ConversationId | null },
): Promise<void> {
  const { id, header } = parcel;
  const share = await step.shareOf(header.from);
  share.waiting++;
  share.waitingBytes += encoded.length;
  const { gapMs, missingMs } = step.deps.limits;
  keepWaiting(step, {
    id,
    sender: header.from,
    series: header.series.toHex(),
    number: header.number,
    reason: why.reason,
    conversation: why.conversation,
    untilMs: step.nowMs + (why.reason === "gap" ? gapMs : missingMs),
    bytes: encoded.length,
    parcel: encoded.slice(),
  });
}

/**
 * Opens the box of a parcel and does what its content says; nothing is shown whose time is over, nor before what its author wrote earlier
 * and waits here.
 */
async function open(
  step: Step,
  { parcel: { header, sealed, id } }: Arrived,
  /** Whether something of its author and conversation waits before it, when that is known. */
  behind?: boolean,
): Promise<ContentFate | "noKey" | "invalid"> {
  const { sealer, crypto, self } = step.deps;
  const otherKey = step.view.keys.get(header.from)?.boxKey;
  if (otherKey === undefined) return "noKey";
  const address = { mesh: header.mesh, from: header.from, to: self };
  const opened = openContent(sealed, address, { sealer, otherKey, crypto });
  if (!opened.ok) {
    step.warn(header.from, "unreadable", `parcel ${id}: ${opened.reason}`);
    return "invalid";
  }
  const content = opened.message;
  // It came in time and had to wait here: whoever shows it looks at the clock once more.
  if (bringsMessage(content)) {
    if (header.expiresAtMs <= step.nowMs) {
      step.warn(header.from, "expired", `parcel ${id} was held up until its time was over`);
      return DONE;
    }
    const { conversation } = content;
    const place = { sender: header.from, series: header.series.toHex(), conversation };
    if (behind ?? await firstHeldUp(step, place) < header.number) {
      return { type: "wait", reason: "conversation", conversation };
    }
  }
  return await onContent(step, header.from, content);
}

/** True for what a person may be shown, as far as it can be said before it is decrypted. */
function bringsMessage(content: Content): content is MessageContent | GroupContent {
  return content.type === "message" ||
    (content.type === "group" && content.kind === "application");
}

async function onContent(step: Step, from: DeviceId, content: Content): Promise<ContentFate> {
  switch (content.type) {
    case "message": {
      const fate = await storeMessage(step, from, content, "box");
      if (content.attachments.length > 0) await drainWaiting(step, { sender: from });
      return fate;
    }
    case "receipt":
      await onReceipt(step, from, content);
      return DONE;
    case "part":
      return await onPart(step, from, content);
    case "conversation":
    case "statements": {
      const isNews = content.type === "statements"
        ? await onStatements(step, from, content)
        : await onConversation(step, from, content);
      if (isNews) {
        await drainWaiting(step, { conversation: content.conversation });
      }
      return DONE;
    }
    case "group": {
      const fate = await onGroup(step, from, content);
      if (fate.type === "done" && (content.kind === "welcome" || content.kind === "commit")) {
        await drainWaiting(step, { conversation: content.conversation });
      }
      if (fate.type === "done" && content.kind === "application") {
        await drainWaiting(step, { sender: from, conversation: null });
      }
      return fate;
    }
  }
}

/** False when nothing of a sender waits: then it need not be looked for after every message. */
async function mayWait(step: Step, sender: DeviceId): Promise<boolean> {
  return (await step.shareOf(sender)).waiting > 0;
}

/** Opens what waited for the next number of a sender, as far as it goes. */
export async function drainStream(step: Step, sender: DeviceId, series: string): Promise<void> {
  if (!await mayWait(step, sender)) return;
  for (;;) {
    const next = await nextOf(step, sender, series);
    const number = next === ANY ? await lowestWaiting(step, sender, series) : next;
    if (number === undefined) return;
    const found = await step.list("waiting", { where: { sender, series, number }, limit: 9 });
    const rows = found.filter(({ reason }) => reason === "gap" || reason === "key");
    if (rows.length === 0) return;
    for (const row of rows) if (await again(step, row) === "noKey") return;
    await advance(step, sender, series, number + 1);
  }
}

async function lowestWaiting(
  step: Step,
  sender: DeviceId,
  series: string,
): Promise<number | undefined> {
  const numbers: number[] = [];
  for (const reason of ["gap", "key"] as const) {
    const where = { sender, series, reason };
    const [row] = await step.list("waiting", { where, order: ["number"], limit: 1 });
    if (row !== undefined) numbers.push(row.number);
  }
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}

/** Opens what waited for a conversation, an epoch, or a message to belong to. */
export async function drainWaiting(step: Step, where: Partial<WaitingRow>): Promise<void> {
  if (where.sender !== undefined && !await mayWait(step, where.sender)) return;
  const rows = await step.list("waiting", {
    where,
    order: ["sender", "number"],
    limit: WAITING_MAX,
  });
  const heldUp = new Set<string>();
  for (const row of rows) {
    if (row.reason !== "conversation" && row.reason !== "epoch") continue;
    // Opening one may have opened others.
    if (await step.get("waiting", { id: row.id }) === undefined) continue;
    const place = nameOf(row);
    if (await again(step, row, heldUp.has(place)) === "waits") heldUp.add(place);
  }
}

/** What an author writes in one conversation is shown in its order: where that is noted. */
type Place = Pick<WaitingRow, "sender" | "series" | "conversation">;

function nameOf({ sender, series, conversation }: Place): string {
  return `${sender} ${series} ${conversation}`;
}

/** The lowest number of what waits for its conversation or epoch; infinite when nothing does. Looked up once in a step, because lists are slow. */
async function firstHeldUp(step: Step, place: Place): Promise<number> {
  const name = nameOf(place);
  const known = step.heldUp.get(name);
  if (known !== undefined) return known;
  const { sender, series, conversation } = place;
  const [first] = await mayWait(step, sender)
    ? await step.list("waiting", {
      where: { sender, series, conversation },
      order: ["number"],
      limit: 1,
    })
    : [];
  const number = first?.number ?? Infinity;
  step.heldUp.set(name, number);
  return number;
}

function keepWaiting(step: Step, row: WaitingRow): void {
  step.put("waiting", row);
  const name = nameOf(row);
  const first = step.heldUp.get(name);
  if (first !== undefined) step.heldUp.set(name, Math.min(first, row.number));
}

function endWaiting(step: Step, row: WaitingRow): void {
  step.remove("waiting", { id: row.id });
  const name = nameOf(row);
  if (step.heldUp.get(name) === row.number) step.heldUp.delete(name);
}

/** Everything of a sender whose keys have come. */
export async function drainKey(step: Step, sender: DeviceId): Promise<void> {
  const rows = await step.list("waiting", { where: { sender, reason: "key" }, limit: WAITING_MAX });
  for (const row of rows) {
    const next = await nextOf(step, sender, row.series);
    if (row.number < next) await again(step, row);
    else await drainStream(step, sender, row.series);
  }
}

/** A waiting parcel once more. It was taken, so whatever is wrong with it, it is gone afterwards: its author sends again what is not acknowledged. */
async function again(
  step: Step,
  row: WaitingRow,
  behind?: boolean,
): Promise<"done" | "waits" | "noKey"> {
  // Gone before it is opened: what it brings may open others, and must not find itself among them.
  endWaiting(step, row);
  const decoded = decodeParcel(row.parcel, step.deps.crypto);
  if (!decoded.ok) return "done";
  const fate = await open(step, { parcel: decoded.message, encoded: row.parcel }, behind);
  if (fate === "noKey") {
    keepWaiting(step, row);
    return "noKey";
  }
  if (fate !== "invalid" && fate.type === "wait") {
    const { reason, conversation } = fate;
    const untilMs = row.reason === "gap" || row.reason === "key"
      ? step.nowMs + step.deps.limits.missingMs
      : row.untilMs;
    keepWaiting(step, { ...row, reason, conversation, untilMs });
    return "waits";
  }
  noteReceived(step, decoded.message);
  return "done";
}

/** Waiting has taken too long: a gap is passed over, what lacks more than a number is dropped. */
export async function giveUpWaiting(step: Step, row: WaitingRow): Promise<void> {
  if (await step.get("waiting", { id: row.id }) === undefined) return;
  if (row.reason === "gap") {
    const lowest = await step.list("waiting", {
      where: { sender: row.sender, series: row.series, reason: "gap" },
      order: ["number"],
      limit: 1,
    });
    const number = lowest[0]?.number ?? row.number;
    const next = await nextOf(step, row.sender, row.series);
    if (next !== ANY && number > next) {
      step.warn(row.sender, "gap", `its parcels ${next} to ${number - 1} have not come`);
      await advance(step, row.sender, row.series, number);
    }
    return await drainStream(step, row.sender, row.series);
  }
  const earlier = await earlierHeldUp(step, row);
  if (earlier !== undefined) {
    await giveUpWaiting(step, earlier);
    // Without that one it may be its turn.
    return await giveUpWaiting(step, row);
  }
  const decoded = decodeParcel(row.parcel, step.deps.crypto);
  const fate = await again(step, row, false);
  if (fate !== "done") {
    step.warn(row.sender, "waitedInVain", `parcel ${row.id} lacks its ${row.reason}`);
    endWaiting(step, row);
    if (decoded.ok) noteReceived(step, decoded.message);
  }
  const { sender, series, conversation, number } = row;
  if (conversation !== null) await drainWaiting(step, { sender, conversation });
  const next = await nextOf(step, sender, series);
  if (number !== next) return;
  await advance(step, sender, series, next + 1);
  await drainStream(step, sender, series);
}

/** What holds up a waiting parcel because its author wrote it earlier in the same conversation. */
async function earlierHeldUp(step: Step, row: WaitingRow): Promise<WaitingRow | undefined> {
  const { sender, series, conversation, number } = row;
  if (conversation === null) return undefined;
  const [first] = await step.list("waiting", {
    where: { sender, series, conversation },
    order: ["number"],
    limit: 1,
  });
  return first !== undefined && first.number < number ? first : undefined;
}
