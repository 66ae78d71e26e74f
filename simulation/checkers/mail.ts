/** Whether every message that its sender was told to be safe was shown to each recipient exactly once, in order, and truly reported. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { MessageRow } from "../../store/mail.ts";
import type { Cluster } from "../cluster.ts";
import type { SimulatedNode } from "../simulated_node.ts";
import {
  type MailLedger,
  messageOn,
  rowsOf,
  type SentMessage,
  stateOf,
  TEXT_MARK,
} from "./mail_ledger.ts";
export { MailLedger, type SentMessage } from "./mail_ledger.ts";

/** A message that had more time than this in peace has no reason to expire, ms: sessions come back within a minute. */
const PEACE_MARGIN_MS = 75_000;

/** What is wrong, in words. Demand nothing after faults have ended and messages had time. */
export async function mailProblems(
  cluster: Cluster,
  ledger: MailLedger,
  options: {
    /** False where a disk was put back: its owner then writes numbers a second time. Default true. */
    readonly numbersOnce?: boolean;
  } = {},
): Promise<readonly string[]> {
  const byDevice = new Map(cluster.nodes.map((node) => [node.deviceId, node]));
  const bound = ledger.bound();
  const numbersOnce = options.numbersOnce ?? true;
  const problems = [...ledger.seen];
  if (numbersOnce) problems.push(...ledger.disorder, ...ledger.announcedLate());
  for (const sent of ledger.sent) {
    if (!bound.includes(sent.node)) continue;
    for (const device of sent.to) {
      if (ledger.liars.has(device)) continue;
      problems.push(...await problemsOfDelivery(ledger, sent, byDevice.get(device)!));
    }
    problems.push(...problemsOfAudience(ledger, sent, byDevice));
  }
  for (const [device, shown] of ledger.shown) {
    const { name } = byDevice.get(device)!;
    for (const [message, times] of shown) {
      // Announcements follow commits that were heard of, and those are never taken back.
      if (times > 1) problems.push(`${name} announced message ${message} ${times} times`);
    }
  }
  for (const node of cluster.nodes) {
    if (numbersOnce) problems.push(...problemsOfOrder(node), ...problemsOfDoubles(node));
    problems.push(...problemsOfSecrecy(node, ledger), ...clearTexts(node));
  }
  if (numbersOnce) { for (const node of bound) problems.push(...problemsOfTables(node, cluster)); }
  return problems;
}

async function problemsOfDelivery(
  ledger: MailLedger,
  sent: SentMessage,
  recipient: SimulatedNode,
): Promise<readonly string[]> {
  const what = `message "${sent.text}" of ${sent.node.name} to ${recipient.name}`;
  const state = stateOf(sent, recipient.deviceId);
  const copies = rowsOf(recipient).filter((row) =>
    row.author === sent.node.deviceId && row.text === sent.text
  );
  if (copies.length > 1) return [`${what} is there ${copies.length} times`];
  const [copy] = copies;
  switch (state) {
    case "delivered":
    case "read":
      break;
    case "expired":
      // Whoever shows a message says so, and then it counts as delivered, whatever its author was told before; but nobody hears what a device says
      // after it was revoked.
      if (copy !== undefined && !ledger.revoked.has(recipient.deviceId)) {
        return [`${what} is said to be expired and is there`];
      }
      return problemsOfExpiry(ledger, sent, recipient, what);
    case "failed":
      if (mayFail(ledger, sent, recipient.deviceId)) return [];
      return [`${what} is failed (${problemTold(sent, recipient)}), and ${copyTold(copy)}`];
    default:
      return [
        `${what} is ${state}, and ${copyTold(copy)}${
          mayFail(ledger, sent, recipient.deviceId) ? " (its conversation was changed)" : ""
        }`,
      ];
  }
  if (copy === undefined) return [`${what} is said to be ${state} and is not there`];
  if (copy.message !== sent.message) return [`${what} came under another id`];
  const lateMs = copy.receivedAtMs - (copy.timeMs + (sent.validMs ?? Infinity));
  if (lateMs >= 0) {
    return [`${what} was shown ${lateMs} ms after its time was over by its recipient's clock`];
  }
  if ((copy.read === 1) !== (state === "read") && !ledger.revoked.has(recipient.deviceId)) {
    return [`${what} is said to be ${state}, and ${copy.read === 1 ? "was" : "was not"} read`];
  }
  return await problemsOfAttachments(recipient, copy, what);
}

function copyTold(copy: MessageRow | undefined): string {
  return copy === undefined ? "never came" : "is there";
}

function problemTold(sent: SentMessage, recipient: SimulatedNode): string | null | undefined {
  const { deliveries } = sent.node.disk.tables.mail;
  return deliveries.get(`${sent.message}\n${recipient.deviceId}`)?.problem;
}

/** Who left the mesh, or was taken out of the group, need not get what was under way. */
function mayFail(ledger: MailLedger, sent: SentMessage, device: DeviceId): boolean {
  return ledger.revoked.has(device) ||
    ledger.everRemoved.has(`${sent.conversation} ${device}`) ||
    ledger.everRemoved.has(`${sent.conversation} ${sent.node.deviceId}`);
}

/** Only what was written for a short time may expire, and only when something kept it from its recipient. */
function problemsOfExpiry(
  ledger: MailLedger,
  sent: SentMessage,
  recipient: SimulatedNode,
  what: string,
): readonly string[] {
  if (mayFail(ledger, sent, recipient.deviceId)) return [];
  if (sent.validMs === null) return [`${what} is expired, and might have come much later`];
  // Whose clock is ahead takes a message for older than it is.
  const aheadMs = recipient.device.wallMs() - sent.node.device.wallMs();
  if (sent.inPeace && Math.max(0, aheadMs) + PEACE_MARGIN_MS < sent.validMs) {
    return [`${what} is expired, and nothing kept it from its recipient`];
  }
  return [];
}

async function problemsOfAttachments(
  recipient: SimulatedNode,
  copy: MessageRow,
  what: string,
): Promise<readonly string[]> {
  if (copy.attachments === null) return [];
  const outcome = await recipient.handle.mail.attachment(copy.message, 0);
  return outcome.type === "done" ? [] : [`${what}: ${outcome.message}`];
}

/** Nothing is written to those whom its author knew to have left. */
function problemsOfAudience(
  ledger: MailLedger,
  sent: SentMessage,
  byDevice: ReadonlyMap<DeviceId, SimulatedNode>,
): readonly string[] {
  const { node, conversation, askedAtMs, text } = sent;
  return sent.to.flatMap((device) => {
    const { name } = byDevice.get(device)!;
    const left = ledger.removed.get(`${conversation} ${device}`);
    const revoked = ledger.revoked.get(device);
    const problems: string[] = [];
    if (left?.by === node && left.atMs < askedAtMs) {
      problems.push(`"${text}" was written to ${name}, whom ${node.name} had removed before`);
    }
    if (revoked?.by === node && revoked.atMs < askedAtMs) {
      problems.push(`"${text}" was written to ${name}, whom ${node.name} had revoked before`);
    }
    return problems;
  });
}

/** Numbers of an author never repeat, and are shown in their order. */
function problemsOfOrder(node: SimulatedNode): readonly string[] {
  const problems: string[] = [];
  const byAuthor = new Map<string, MessageRow[]>();
  for (const row of rowsOf(node)) {
    byAuthor.getOrInsertComputed(`${row.conversation} ${row.author}`, () => []).push(row);
  }
  for (const rows of byAuthor.values()) {
    rows.sort((a, b) => a.clock - b.clock || a.number - b.number);
    rows.forEach((row, i) => {
      if (i > 0 && row.number <= rows[i - 1]!.number) {
        problems.push(`${node.name} shows message ${row.number} of an author out of order`);
      }
    });
  }
  return problems;
}

/** Every text is written once, so it is there once, also when its author never heard what became of it. */
function problemsOfDoubles(node: SimulatedNode): readonly string[] {
  const counts = new Map<string, number>();
  for (const { text } of rowsOf(node)) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].filter(([, times]) => times > 1)
    .map(([text, times]) => `"${text}" is there ${times} times on ${node.name}`);
}

/** Nobody holds what was not written to it. */
function problemsOfSecrecy(node: SimulatedNode, ledger: MailLedger): readonly string[] {
  const problems: string[] = [];
  for (const sent of ledger.sent) {
    if (sent.node === node || sent.to.includes(node.deviceId)) continue;
    if (messageOn(node, sent.node.deviceId, sent.message) !== undefined) {
      problems.push(`${node.name} holds message "${sent.text}", which was not for it`);
    }
  }
  return problems;
}

/** Tables whose bytes are for other eyes than the owner's, or are sealed for the way; a text in clear in them is a leak. */
const SEALED_TABLES = ["outgoing", "waiting", "carried", "parts"] as const;

/** Texts that lie in clear where everything must be sealed; may be asked at any time. */
export function clearTexts(node: SimulatedNode): readonly string[] {
  const { mail } = node.disk.tables;
  return SEALED_TABLES.flatMap((table) =>
    [...mail[table].values()].flatMap((row) =>
      Object.values(row).some((value) => holdsText(value))
        ? [`${node.name} holds a text in clear in its table "${table}"`]
        : []
    )
  );
}

function holdsText(value: unknown): boolean {
  if (typeof value === "string") return value.includes(TEXT_MARK);
  return value instanceof Uint8Array && latin1.decode(value).includes(TEXT_MARK);
}
const latin1 = new TextDecoder("latin1");

/** Nothing is left of what has come to an end, and what must be remembered is bounded by what was sent. */
function problemsOfTables(node: SimulatedNode, cluster: Cluster): readonly string[] {
  const { mail } = node.disk.tables;
  const problems: string[] = [];
  for (const table of ["outgoing", "waiting", "carried"] as const) {
    const left = mail[table].size;
    if (left > 0) problems.push(`${node.name} still has ${left} rows in its table "${table}"`);
  }
  // A number is used twice at most: by a parcel, and by the empty one that takes the place of a parcel that was given up.
  const numbers = cluster.nodes.flatMap(({ disk }) => [...disk.tables.mail.sending.values()])
    .filter(({ recipient }) => recipient === node.deviceId)
    .reduce((sum, { next }) => sum + next - 1, 0);
  if (mail.received.size > 2 * numbers) {
    problems.push(
      `${node.name} remembers ${mail.received.size} parcels of the ${numbers} written to it`,
    );
  }
  return problems;
}
