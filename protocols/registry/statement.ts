/** Bodies of `founding` and `member` blocks: canonical CBOR arrays, documented in `docs/protocols/registry.md`. */
import { z } from "zod";
import type { Block } from "../blocks/block.ts";
import { compareUtf8, REGISTRY_BODY_BYTES_MAX, utf8Length } from "../blocks/limits.ts";
import { decodeCanonical, encodeCanonical } from "../codec.ts";
import { type DeviceId, deviceIdOf, publicKeyOf } from "../ids.ts";
import {
  type Permission,
  PERMISSIONS,
  type Role,
  ROLES,
  TRUST_LEVELS,
  type TrustLevel,
} from "./roles.ts";

/** Body of the founding block: who founds, and chance, so that no two meshes have one id. */
export interface FoundingStatement {
  readonly displayName: string;
  /** 16 random bytes. */
  readonly salt: Uint8Array;
}

/** Everything about a member that administrators decide. */
export interface MemberRecord {
  readonly displayName: string;
  readonly role: Role;
  readonly permissions: readonly Permission[];
  readonly trust: TrustLevel;
}

/** Admits a device. Its record has version 1. */
export interface AddStatement extends MemberRecord {
  readonly action: "add";
  readonly device: DeviceId;
  /** 1 for the first time; after a revocation, more than the revoked one. */
  readonly incarnation: number;
}

/** Replaces the record of a device, as a whole. */
export interface UpdateStatement extends MemberRecord {
  readonly action: "update";
  readonly device: DeviceId;
  readonly incarnation: number;
  /** From 2; the highest counts. */
  readonly version: number;
  /** It holds for blocks of the device after this sequence: the highest one its author knew. */
  readonly afterSequence: number;
}

/** Ends an incarnation of a device. */
export interface RevokeStatement {
  readonly action: "revoke";
  readonly device: DeviceId;
  readonly incarnation: number;
  /** The last of its blocks that stays valid; 0 for none. */
  readonly validUpToSequence: number;
}

export type MemberStatement = AddStatement | UpdateStatement | RevokeStatement;

export type StatementOutcome<Statement> =
  | { readonly ok: true; readonly statement: Statement }
  | { readonly ok: false; readonly reason: string };

/** Topic and media type of registry blocks as this node writes them. */
export const REGISTRY_TOPIC = "registry";
export const FOUNDING_MEDIA_TYPE = "application/vnd.kiana.founding+cbor";
export const MEMBER_MEDIA_TYPE = "application/vnd.kiana.member+cbor";
export const SALT_BYTES = 16;
export const DISPLAY_NAME_BYTES_MAX = 64;
/** Incarnations and versions, each from 1. */
export const INCARNATION_MAX = 1_000_000;

// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Why this is no display name; undefined when it is one. For refusing what a person typed. */
export function problemOfDisplayName(name: string): string | undefined {
  if (name.trim() === "") return "name is empty";
  if (name.trim() !== name) return `name "${name}" begins or ends with white space`;
  if (utf8Length(name) > DISPLAY_NAME_BYTES_MAX) {
    return `name has ${
      utf8Length(name)
    } bytes of UTF-8, expected at most ${DISPLAY_NAME_BYTES_MAX}`;
  }
  return CONTROL.test(name) || !name.isWellFormed()
    ? "name has characters that are no text"
    : undefined;
}

const displayName = z.string().refine(
  (name) => problemOfDisplayName(name) === undefined,
  `expected a name of 1 to ${DISPLAY_NAME_BYTES_MAX} bytes`,
);
const device = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length === 32,
  "expected a key of 32 bytes",
).transform(deviceIdOf);
const permissions = z.array(z.enum(PERMISSIONS)).max(PERMISSIONS.length).refine(
  (list) => list.every((permission, i) => i === 0 || compareUtf8(list[i - 1]!, permission) < 0),
  "expected permissions ascending, without duplicates",
);
const incarnation = z.int().min(1).max(INCARNATION_MAX);
const sequence = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const record = [displayName, z.enum(ROLES), permissions, z.enum(TRUST_LEVELS)] as const;

const foundingSchema = z.tuple([
  z.literal(1),
  displayName,
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === SALT_BYTES,
    `expected ${SALT_BYTES} bytes`,
  ),
]).transform(([, displayName, salt]): FoundingStatement => ({ displayName, salt }));

const memberSchemas = {
  add: z.tuple([z.literal(1), z.literal("add"), device, incarnation, ...record]).transform((
    [, action, device, incarnation, displayName, role, permissions, trust],
  ): MemberStatement => ({
    action,
    device,
    incarnation,
    displayName,
    role,
    permissions,
    trust,
  })),
  update: z.tuple([
    z.literal(1),
    z.literal("update"),
    device,
    incarnation,
    z.int().min(2).max(INCARNATION_MAX),
    sequence,
    ...record,
  ]).transform((
    [, action, device, incarnation, version, afterSequence, ...rest],
  ): MemberStatement => ({
    action,
    device,
    incarnation,
    version,
    afterSequence,
    displayName: rest[0],
    role: rest[1],
    permissions: rest[2],
    trust: rest[3],
  })),
  revoke: z.tuple([z.literal(1), z.literal("revoke"), device, incarnation, sequence]).transform((
    [, action, device, incarnation, validUpToSequence],
  ): MemberStatement => ({ action, device, incarnation, validUpToSequence })),
} as const;

/** The body of a founding block. */
export function encodeFounding(statement: FoundingStatement): Uint8Array<ArrayBuffer> {
  return encodeCanonical([1, statement.displayName, statement.salt]);
}

/** The body of a member block. Permissions may come in any order. */
export function encodeStatement(statement: MemberStatement): Uint8Array<ArrayBuffer> {
  const { action, incarnation } = statement;
  const head = [1, action, publicKeyOf(statement.device), incarnation];
  switch (statement.action) {
    case "add":
      return encodeCanonical([...head, ...recordOf(statement)]);
    case "update":
      return encodeCanonical([
        ...head,
        statement.version,
        statement.afterSequence,
        ...recordOf(statement),
      ]);
    case "revoke":
      return encodeCanonical([...head, statement.validUpToSequence]);
  }
}

function recordOf(record: MemberRecord): readonly unknown[] {
  const permissions = [...new Set(record.permissions)].sort(compareUtf8);
  return [record.displayName, record.role, permissions, record.trust];
}

/** Reads the body of a founding block. Never throws. */
export function decodeFounding(body: Uint8Array): StatementOutcome<FoundingStatement> {
  const decoded = decodeCanonical(body, { bytesMax: REGISTRY_BODY_BYTES_MAX });
  return decoded.ok ? parse(foundingSchema, decoded.value) : decoded;
}

/** Reads the body of a member block. Never throws. */
export function decodeStatement(body: Uint8Array): StatementOutcome<MemberStatement> {
  const decoded = decodeCanonical(body, { bytesMax: REGISTRY_BODY_BYTES_MAX });
  if (!decoded.ok) return decoded;
  const action: unknown = Array.isArray(decoded.value) ? decoded.value[1] : undefined;
  if (action !== "add" && action !== "update" && action !== "revoke") {
    return { ok: false, reason: "statement has no action, expected add, update or revoke" };
  }
  return parse(memberSchemas[action], decoded.value);
}

/**
 * The statement of a member block. Each block is read once: validation and fold ask one after another, and of blocks that many
 * share in one process everyone asks.
 */
export function statementOf(block: Block): StatementOutcome<MemberStatement> {
  const known = statements.get(block);
  if (known !== undefined) return known;
  const outcome: StatementOutcome<MemberStatement> = block.payload === null
    ? { ok: false, reason: "no body" }
    : decodeStatement(block.payload);
  statements.set(block, outcome);
  return outcome;
}

const statements = new WeakMap<Block, StatementOutcome<MemberStatement>>();

function parse<Statement>(
  schema: z.ZodType<Statement>,
  value: unknown,
): StatementOutcome<Statement> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, statement: parsed.data };
  const issue = parsed.error.issues[0];
  return {
    ok: false,
    reason: `statement, element ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "unknown"}`,
  };
}
