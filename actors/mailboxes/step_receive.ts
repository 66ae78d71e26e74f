/**
 * Parcels as they come: checked, taken once, opened in the order of their sender's numbers. What comes too early waits, durably; what is
 * missing for long is gone without. Others' parcels are kept for their recipients, within quotas.
 */
import type { DeviceId } from "../../protocols/ids.ts";
import type { Content, ConversationId } from "../../protocols/mailbox/content.ts";
import type { RefusalReason } from "../../protocols/mailbox/messages.ts";
import { type Parcel, PARCEL_SKEW_MS, RECIPIENT_SKEW_MS } from "../../protocols/mailbox/parcel.ts";
import {
  decodeParcel,
  problemOfParcelTime,
  signedMessageOfParcel,
} from "../../protocols/mailbox/parcel_wire.ts";
import { openContent } from "../../protocols/mailbox/seal.ts";
import { may } from "../../protocols/registry/registry.ts";
import type { WaitingRow } from "../../store/mail.ts";
import { onConversation } from "./step_conversations.ts";
import { type ContentFate, DONE, onGroup } from "./step_groups.ts";
import { onPart, onReceipt, storeMessage } from "./step_messages.ts";
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

/** Parcels of one deposit. */
export interface DepositJob {
  /** Gives the answers back to whoever deposited. */
  readonly deposit: number;
  /** The peer that handed them over; null when the broker did. */
  readonly from: DeviceId | null;
  readonly parcels: readonly Uint8Array[];
}

interface Arrived {
  readonly parcel: Parcel;
  readonly encoded: Uint8Array;
}

/** Takes or refuses every parcel of a deposit. */
export async function onDeposit(step: Step, job: DepositJob): Promise<void> {
  const { crypto, self } = step.deps;
  const arrived: Arrived[] = [];
  for (const encoded of job.parcels) {
    const decoded = decodeParcel(encoded, crypto);
    if (!decoded.ok) {
      if (job.from !== null) {
        step.facts.strikes.push({ device: job.from, reason: decoded.reason });
      }
      step.facts.malformed.push(job.deposit);
      step.warn(job.from, "malformed", decoded.reason);
      continue;
    }
    const parcel = decoded.message;
    const answer = await firstLook(step, job, parcel);
    if (answer === "new") arrived.push({ parcel, encoded });
    else answerWith(step, job, parcel, answer);
  }
  const genuine = await crypto.verifyMany(
    arrived.map(({ parcel }) => signedMessageOfParcel(parcel)),
  );
  const sound = arrived.filter(({ parcel }, i) => {
    if (genuine[i]) return true;
    step.warn(job.from, "forged", `parcel ${parcel.id} is not signed by ${parcel.header.from}`);
    if (job.from !== null) step.facts.strikes.push({ device: job.from, reason: "forged parcel" });
    answerWith(step, job, parcel, "invalid");
    return false;
  });
  sound.sort((a, b) => a.parcel.header.number - b.parcel.header.number);
  for (const one of sound) {
    const answer = one.parcel.header.to === self
      ? await takeOwn(step, one)
      : await takeForAnother(step, one);
    answerWith(step, job, one.parcel, answer);
  }
}

function answerWith(
  step: Step,
  { deposit }: DepositJob,
  { id }: Parcel,
  answer: "taken" | RefusalReason,
): void {
  if (answer === "taken") step.facts.taken.push({ deposit, id });
  else step.facts.refused.push({ deposit, id, reason: answer });
}

/** Everything that can be said before the signature is checked. */
async function firstLook(
  step: Step,
  { from }: DepositJob,
  { id, header }: Parcel,
): Promise<"new" | "taken" | RefusalReason> {
  const { self, limits } = step.deps;
  const { registry, nowMs, carried } = step.view;
  const own = header.to === self;
  if (await step.get(own ? "received" : "carried", { id }) !== undefined) return "taken";
  if (own && await step.get("waiting", { id }) !== undefined) return "taken";
  if (registry === null || header.mesh !== registry.mesh) {
    step.warn(from, "wrongMesh", `parcel ${id} is of mesh ${header.mesh}`);
    return "invalid";
  }
  if (!may(registry, header.from, "messages.send")) {
    step.warn(header.from, "notPermitted", `parcel ${id}: its sender may not send messages`);
    return "notPermitted";
  }
  const wrongTime = problemOfParcelTime(header, nowMs, own ? RECIPIENT_SKEW_MS : PARCEL_SKEW_MS);
  if (wrongTime !== undefined) {
    step.warn(header.from, wrongTime, `parcel ${id} is of ${header.timeMs}, now is ${nowMs}`);
    return wrongTime;
  }
  if (own) {
    const share = await step.shareOf(header.from);
    const full = share.waiting >= limits.waitingPerSenderMax ||
      share.waitingBytes + header.sealedBytes > limits.waitingBytesPerSenderMax ||
      share.unread >= limits.unreadPerSenderMax;
    if (full) return "quota";
    share.unread++;
    return "new";
  }
  // Only its sender hands a parcel to a carrier: nobody else knows better where it should wait.
  if (from !== header.from || limits.carriedBytesMax === 0 || !may(registry, self, "relay")) {
    return "unwilling";
  }
  if (!step.isAdmitted(header.to)) return "notPermitted";
  const inThisStep = step.facts.carried.reduce((sum, { bytes }) => sum + bytes, 0);
  if (carried.bytes + inThisStep + header.sealedBytes > limits.carriedBytesMax) return "full";
  const share = await step.shareOf(header.from);
  if (share.carriedBytes + header.sealedBytes > limits.carriedBytesPerSenderMax) return "quota";
  share.carriedBytes += header.sealedBytes;
  return "new";
}

function takeForAnother(step: Step, { parcel, encoded }: Arrived): Promise<"taken"> {
  const { id, header } = parcel;
  const entry = {
    id,
    sender: header.from,
    recipient: header.to,
    expiresAtMs: header.expiresAtMs,
    bytes: encoded.length,
  };
  step.put("carried", { ...entry, atMs: step.nowMs, parcel: encoded.slice() });
  step.facts.carried.push(entry);
  return Promise.resolve("taken");
}

/** A parcel for us: in its turn it is opened, before that it waits. */
async function takeOwn(step: Step, arrived: Arrived): Promise<"taken" | RefusalReason> {
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
  step.put("waiting", {
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

/** Opens the box of a parcel and does what its content says. */
async function open(
  step: Step,
  { parcel: { header, sealed, id } }: Arrived,
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
  return await onContent(step, header.from, opened.message);
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
      if (await onConversation(step, from, content)) {
        await drainWaiting(step, { conversation: content.conversation });
      }
      return DONE;
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
async function drainWaiting(step: Step, where: Partial<WaitingRow>): Promise<void> {
  if (where.sender !== undefined && !await mayWait(step, where.sender)) return;
  const rows = await step.list("waiting", {
    where,
    order: ["sender", "number"],
    limit: WAITING_MAX,
  });
  for (const row of rows) {
    if (row.reason !== "conversation" && row.reason !== "epoch") continue;
    // Opening one may have opened others.
    if (await step.get("waiting", { id: row.id }) !== undefined) await again(step, row);
  }
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
async function again(step: Step, row: WaitingRow): Promise<"done" | "waits" | "noKey"> {
  // Gone before it is opened: what it brings may open others, and must not find itself among them.
  step.remove("waiting", { id: row.id });
  const decoded = decodeParcel(row.parcel, step.deps.crypto);
  if (!decoded.ok) return "done";
  const fate = await open(step, { parcel: decoded.message, encoded: row.parcel });
  if (fate === "noKey") {
    step.put("waiting", row);
    return "noKey";
  }
  if (fate !== "invalid" && fate.type === "wait") {
    const { reason, conversation } = fate;
    const untilMs = row.reason === "gap" || row.reason === "key"
      ? step.nowMs + step.deps.limits.missingMs
      : row.untilMs;
    step.put("waiting", { ...row, reason, conversation, untilMs });
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
  step.warn(row.sender, "waitedInVain", `parcel ${row.id} lacks its ${row.reason}`);
  step.remove("waiting", { id: row.id });
  const decoded = decodeParcel(row.parcel, step.deps.crypto);
  if (decoded.ok) noteReceived(step, decoded.message);
  const next = await nextOf(step, row.sender, row.series);
  if (row.number !== next) return;
  await advance(step, row.sender, row.series, next + 1);
  await drainStream(step, row.sender, row.series);
}
