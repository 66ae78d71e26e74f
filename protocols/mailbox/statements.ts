/**
 * Who is in a conversation and who leads it, as signed statements that anybody may pass on. A conversation's name follows from its founder,
 * so nobody else can begin its chain; every next link is by who had to take over when the leader before it left the mesh. Which chain counts
 * is one function of the chains and the registry: devices that know the same of both agree, whatever each of them had heard before.
 */
import { z } from "zod";
import type { Crypto, SignedMessage, Signer } from "../../platform/ports.ts";
import { decodeCanonical, encodeCanonical } from "../codec.ts";
import { domainSeparated } from "../domains.ts";
import { type DeviceId, deviceIdOf, type MeshId, publicKeyOf } from "../ids.ts";
import {
  bytes,
  bytes16,
  type Decoded,
  deviceId,
  firstProblem,
  sequence,
  text,
} from "../wire_schema.ts";
import {
  CONVERSATION_MEMBERS_MAX,
  type ConversationId,
  type SignedStatement,
  STATEMENT_BYTES_MAX,
  STATEMENTS_MAX,
  TITLE_BYTES_MAX,
} from "./content.ts";
import { isDisplayable } from "./content_wire.ts";

const GROUP = new TextEncoder().encode("kiana group conversation v1\0");
const NONCE_BYTES = 16;
const HASH_BYTES = 32;
const CHAIN_BYTES_MAX = STATEMENTS_MAX * (STATEMENT_BYTES_MAX + 80);

/** A leader's word about a conversation. */
export interface ConversationStatement {
  readonly conversation: ConversationId;
  /** Grows with every change. */
  readonly version: number;
  readonly title: string;
  /** Ascending; 2 to `CONVERSATION_MEMBERS_MAX`. */
  readonly members: readonly DeviceId[];
  /** Who says and signs this, and alone commits to the group; a member. */
  readonly leader: DeviceId;
  /** Of the leader, by the registry: who was sent away and admitted again does not lead by what it said before. */
  readonly incarnation: number;
  /** The founder's: the 16 random bytes that the conversation is named by. A successor's: the SHA-256 of the body that it follows. */
  readonly origin: Uint8Array;
}

/** A statement with its bytes. Whether the signature holds is checked apart (`signedMessageOfStatement`). */
export interface Statement extends ConversationStatement {
  /** SHA-256 of the body, hex. */
  readonly id: string;
  readonly signed: SignedStatement;
}

/** Statements of one conversation, its founder's first, each next one by a successor of the one before; not empty. */
export type StatementChain = readonly [Statement, ...Statement[]];

/** What the registry says of a device; undefined: it is not known. */
export type StandingOf = (
  device: DeviceId,
) => { readonly admitted: boolean; readonly incarnation: number } | undefined;

const bodySchema = z.tuple([
  z.literal(1),
  bytes16,
  sequence,
  text(TITLE_BYTES_MAX).refine(isDisplayable, "title has control characters"),
  z.array(deviceId).min(2).max(CONVERSATION_MEMBERS_MAX).refine(
    (members) => members.every((id, i) => i === 0 || members[i - 1]! < id),
    "members are not ascending",
  ),
  deviceId,
  sequence,
  bytes(HASH_BYTES).refine(
    ({ length }) => length === NONCE_BYTES || length === HASH_BYTES,
    "origin has neither 16 nor 32 bytes",
  ),
])
  .refine(([, , , , members, leader]) => members.includes(leader), "leader is no member")
  .transform(([, conversation, version, title, members, leader, incarnation, origin]) => ({
    conversation: conversation.toHex() as ConversationId,
    version,
    title,
    members,
    leader,
    incarnation,
    origin,
  }));

const chainSchema = z.array(z.tuple([bytes(STATEMENT_BYTES_MAX), bytes(64)])).min(1).max(
  STATEMENTS_MAX,
);

/** The name of a conversation that `founder` founds with 16 random bytes: first 16 bytes of a SHA-256. */
export function groupConversation(
  crypto: Pick<Crypto, "sha256">,
  mesh: MeshId,
  founder: DeviceId,
  nonce: Uint8Array,
): ConversationId {
  const hash = crypto.sha256(GROUP, Uint8Array.fromHex(mesh), publicKeyOf(founder), nonce);
  return hash.subarray(0, NONCE_BYTES).toHex() as ConversationId;
}

/** Why nobody would accept this statement; undefined when they would. */
export function problemOfStatement(statement: ConversationStatement): string | undefined {
  const parsed = bodySchema.safeParse(toWire(statement));
  return parsed.success ? undefined : firstProblem(parsed.error);
}

/** Signs a statement; the signer is the leader that it names. Whoever makes one keeps to its limits (`problemOfStatement`). */
export function signStatement(
  statement: ConversationStatement,
  { mesh, signer, crypto }: {
    readonly mesh: MeshId;
    readonly signer: Signer;
    readonly crypto: Pick<Crypto, "sha256">;
  },
): Statement {
  // A plain array of its own: what the encoder gives may be a view into a larger buffer.
  const body = new Uint8Array(encodeCanonical(toWire(statement)));
  const hash = crypto.sha256(body);
  const signature = signer.sign(messageToSign(mesh, hash));
  const leader = deviceIdOf(signer.publicKey);
  return { ...statement, leader, id: hash.toHex(), signed: { body, signature } };
}

/** What the leader signed, to be checked with `Crypto.verifyMany`. */
export function signedMessageOfStatement(mesh: MeshId, statement: Statement): SignedMessage {
  return {
    publicKey: publicKeyOf(statement.leader),
    message: messageToSign(mesh, Uint8Array.fromHex(statement.id)),
    signature: statement.signed.signature,
  };
}

/**
 * The chain that statements make; strict, never throws. Its founder named the conversation, every next statement follows the one before it
 * and is by one of its members. Neither signatures nor the registry are looked at.
 */
export function chainOf(
  conversation: ConversationId,
  statements: readonly SignedStatement[],
  { mesh, crypto }: { readonly mesh: MeshId; readonly crypto: Pick<Crypto, "sha256"> },
): Decoded<StatementChain> {
  const chain: Statement[] = [];
  for (const signed of statements) {
    const decoded = decodeStatement(signed, crypto);
    if (!decoded.ok) return decoded;
    const statement = decoded.message;
    const problem = statement.conversation === conversation
      ? problemOfLink(chain.at(-1), statement, mesh, crypto)
      : "it is of another conversation";
    if (problem !== undefined) {
      return { ok: false, reason: `statement ${chain.length + 1}: ${problem}` };
    }
    chain.push(statement);
  }
  const [first, ...rest] = chain;
  if (first === undefined) return { ok: false, reason: "there is no statement" };
  return { ok: true, message: [first, ...rest] };
}

function problemOfLink(
  before: Statement | undefined,
  { conversation, leader, origin, version }: Statement,
  mesh: MeshId,
  crypto: Pick<Crypto, "sha256">,
): string | undefined {
  if (before === undefined) {
    return origin.length === NONCE_BYTES &&
        groupConversation(crypto, mesh, leader, origin) === conversation
      ? undefined
      : "the conversation is not named by who would have founded it";
  }
  if (origin.toHex() !== before.id) return "it does not follow the one before it";
  if (!before.members.includes(leader)) return "its leader was no member before";
  if (leader === before.leader) return "its leader led before";
  return version > before.version
    ? undefined
    : `its version is ${version}, after ${before.version}`;
}

function decodeStatement(
  signed: SignedStatement,
  crypto: Pick<Crypto, "sha256">,
): Decoded<Statement> {
  const decoded = decodeCanonical(signed.body, {
    bytesMax: STATEMENT_BYTES_MAX,
    depthMax: 2,
    itemsMax: CONVERSATION_MEMBERS_MAX + 16,
  });
  if (!decoded.ok) return { ok: false, reason: `statement: ${decoded.reason}` };
  const parsed = bodySchema.safeParse(decoded.value);
  if (!parsed.success) return { ok: false, reason: `statement: ${firstProblem(parsed.error)}` };
  return {
    ok: true,
    message: { ...parsed.data, id: crypto.sha256(signed.body).toHex(), signed },
  };
}

/** A chain as it is stored. */
export function encodeChain(chain: StatementChain): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    encodeCanonical(chain.map(({ signed: { body, signature } }) => [body, signature])),
  );
}

/** The statements of a stored chain. */
export function decodeStored(stored: Uint8Array): readonly SignedStatement[] {
  const decoded = decodeCanonical(stored, {
    bytesMax: CHAIN_BYTES_MAX,
    depthMax: 2,
    itemsMax: STATEMENTS_MAX * 3 + 1,
  });
  const parsed = chainSchema.safeParse(decoded.ok ? decoded.value : undefined);
  return parsed.success ? parsed.data.map(([body, signature]) => ({ body, signature })) : [];
}

/** The newest statement of a chain. */
export function headOf(chain: StatementChain): Statement {
  return chain.at(-1) ?? chain[0];
}

/** True when whoever said this leads no more: it left the mesh since, even if it was admitted again. */
export function isOver(
  { leader, incarnation }: Pick<ConversationStatement, "leader" | "incarnation">,
  standingOf: StandingOf,
): boolean {
  const standing = standingOf(leader);
  return standing !== undefined && (!standing.admitted || standing.incarnation > incarnation);
}

/**
 * Who has to take over from a statement that is over: the admitted member with the lowest id, other than who said it, should that be admitted
 * again; undefined when nobody is left.
 */
export function successorOf(
  { members, leader }: Pick<ConversationStatement, "members" | "leader">,
  standingOf: StandingOf,
): DeviceId | undefined {
  // Members are ascending.
  return members.find((device) => device !== leader && standingOf(device)?.admitted);
}

/** As much of a chain as counts by the registry: a leader follows only one that is over, and only in its turn. */
export function validPart(chain: StatementChain, standingOf: StandingOf): StatementChain {
  const [first, ...rest] = chain;
  const valid: [Statement, ...Statement[]] = [first];
  for (const next of rest) {
    const before = headOf(valid);
    if (!isOver(before, standingOf) || !hadTurn(before, next.leader, standingOf)) break;
    valid.push(next);
  }
  return valid;
}

/** No member with a lower id that is still admitted stands before this one. It may itself have left since. */
function hadTurn(before: Statement, leader: DeviceId, standingOf: StandingOf): boolean {
  return before.members.every((device) =>
    device >= leader || device === before.leader || !standingOf(device)?.admitted
  );
}

/**
 * Which of two chains of a conversation counts: positive when the first, negative when the second, 0 when they are the same. Both are as
 * much as counts by the registry. Where they part, the word of the earlier leader decides before that of any successor: the newest it
 * said; whoever took over after an older word takes over again after the newer one.
 */
export function compareChains(a: StatementChain, b: StatementChain): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [one, other] = [a[i]!, b[i]!];
    if (one.id === other.id) continue;
    if (one.leader !== other.leader) return one.leader < other.leader ? 1 : -1;
    if (one.version !== other.version) return one.version - other.version;
    return one.id < other.id ? 1 : -1;
  }
  return a.length - b.length;
}

/**
 * What a new leader states when it takes over from `chain`, knowing also of `others`, which do not count: members that a successor took out
 * or in, by what it knew then, stay out or in, and its title stays. Not so when a rightful leader had taken that successor itself out.
 */
export function joined(
  chain: StatementChain,
  others: readonly StatementChain[],
  standingOf: StandingOf,
): Pick<ConversationStatement, "title" | "members"> {
  const head = headOf(chain);
  let { title } = head;
  const members = new Set(head.members);
  const known = new Set(chain.map(({ id }) => id));
  for (const other of others) {
    for (const [i, next] of other.entries()) {
      const before = other[i - 1];
      if (before === undefined || known.has(next.id)) continue;
      if (!head.members.includes(next.leader) || !mayHaveHadTurn(before, next, standingOf)) {
        continue;
      }
      known.add(next.id);
      for (const device of next.members) if (!before.members.includes(device)) members.add(device);
      for (const device of before.members) {
        if (!next.members.includes(device)) members.delete(device);
      }
      if (next.title !== before.title) title = next.title;
    }
  }
  return { title, members: [...members].sort() };
}

/** As `hadTurn`, when lower ones were admitted again since: then they may have been away. */
function mayHaveHadTurn(before: Statement, next: Statement, standingOf: StandingOf): boolean {
  return isOver(before, standingOf) &&
    before.members.every((device) => {
      const waits = device < next.leader && device !== before.leader;
      const standing = waits ? standingOf(device) : undefined;
      return !standing?.admitted || standing.incarnation > 1;
    });
}

function messageToSign(mesh: MeshId, hash: Uint8Array): Uint8Array<ArrayBuffer> {
  return domainSeparated("conversation", Uint8Array.fromHex(mesh), hash);
}

function toWire(statement: ConversationStatement): readonly unknown[] {
  return [
    1,
    Uint8Array.fromHex(statement.conversation),
    statement.version,
    statement.title,
    statement.members.map(publicKeyOf),
    publicKeyOf(statement.leader),
    statement.incarnation,
    statement.origin,
  ];
}
