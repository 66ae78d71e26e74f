/** Invites as text: the link that is scanned or clicked and the code that is typed, and the secrets behind them. */
import { base64urlnopad } from "@scure/base";
import { z } from "zod";
import type { Crypto, Random } from "../../platform/ports.ts";
import { decodeCanonical, encodeCanonical } from "../codec.ts";
import { type DeviceId, publicKeyOf } from "../ids.ts";
import { bytes16, deviceId, exactly, firstProblem, text } from "../wire_schema.ts";
import { lengthValues } from "./cpace.ts";
import type { InviteKind } from "./messages.ts";

/** What a run of the handshake needs to know of an invite. */
export interface InviteTicket {
  readonly kind: InviteKind;
  /** Sent in the clear: tells the inviter which invite is meant. */
  readonly selector: Uint8Array;
  /** CPace's password: a hash of the secret. */
  readonly password: Uint8Array;
}

/** What a link holds. */
export interface InviteLink {
  /** 8 bytes. */
  readonly inviteId: Uint8Array;
  readonly inviter: DeviceId;
  /** Rendezvous addresses of the inviter, most promising first, at most 8. */
  readonly addresses: readonly string[];
  /** 128 bits. */
  readonly secret: Uint8Array;
  /** By the inviter's clock, ms since the epoch; a hint for people: the inviter decides. */
  readonly expiresAtMs: number;
}

/** What a person typed or scanned. */
export type ParsedInvite =
  | { readonly type: "link"; readonly link: InviteLink }
  /** Eight digits. */
  | { readonly type: "code"; readonly digits: string }
  /** `reason` says what was expected. */
  | { readonly type: "invalid"; readonly reason: string };

export const LINK_PREFIX = "kiana:pair?i=";
export const ADDRESSES_MAX = 8;
const ADDRESS_BYTES_MAX = 128;
const LINK_CHARACTERS_MAX = 2_048;
/** The first digits of a code say which invite; the others are the secret. */
export const HINT_DIGITS = 2;
/** Different hints. */
export const HINTS_MAX = 10 ** HINT_DIGITS;

const linkSchema = z.tuple([
  z.literal(1),
  exactly(8),
  deviceId,
  z.array(text(ADDRESS_BYTES_MAX)).max(ADDRESSES_MAX),
  bytes16,
  z.int().min(0).max(2 ** 40),
]);

/** The link as text: everything a device needs to find the inviter and prove that it was invited. */
export function formatLink(link: InviteLink): string {
  const body = encodeCanonical([
    1,
    link.inviteId,
    publicKeyOf(link.inviter),
    link.addresses.filter((address) => address.length <= ADDRESS_BYTES_MAX).slice(0, ADDRESSES_MAX),
    link.secret,
    Math.ceil(link.expiresAtMs / 1_000),
  ]);
  return LINK_PREFIX + base64urlnopad.encode(body);
}

/** A code as people read it: "4821-7730". */
export function formatCode(digits: string): string {
  return `${digits.slice(0, 4)}-${digits.slice(4)}`;
}

/** Reads what a person pasted or typed. Spaces around it and inside a code do not matter. */
export function parseInvite(input: string): ParsedInvite {
  const typed = input.slice(0, LINK_CHARACTERS_MAX + 1).trim();
  if (/^kiana:/i.test(typed)) return parseLink(typed);
  const digits = typed.replace(/[\s\-–—.]/g, "");
  if (/^[0-9]{8}$/.test(digits)) return { type: "code", digits };
  const shown = typed.length > 40 ? `${typed.slice(0, 40)}…` : typed;
  return {
    type: "invalid",
    reason:
      `"${shown}" is no invite, expected eight digits like 4821-7730 or a link that starts with ${LINK_PREFIX}`,
  };
}

function parseLink(typed: string): ParsedInvite {
  const invalid = (problem: string): ParsedInvite => ({
    type: "invalid",
    reason: `the link is damaged (${problem}); copy it again as a whole`,
  });
  if (typed.length > LINK_CHARACTERS_MAX) {
    return invalid(`it is longer than ${LINK_CHARACTERS_MAX} characters`);
  }
  if (!typed.startsWith(LINK_PREFIX)) return invalid(`expected ${LINK_PREFIX}…`);
  let body: Uint8Array;
  try {
    body = base64urlnopad.decode(typed.slice(LINK_PREFIX.length));
  } catch {
    return invalid("expected base64url");
  }
  const decoded = decodeCanonical(body, { bytesMax: LINK_CHARACTERS_MAX, depthMax: 2 });
  if (!decoded.ok) return invalid(decoded.reason);
  if (Array.isArray(decoded.value) && decoded.value[0] !== 1) {
    return invalid(
      `its version is ${String(decoded.value[0]).slice(0, 8)}, expected 1: is submind up to date?`,
    );
  }
  const parsed = linkSchema.safeParse(decoded.value);
  if (!parsed.success) return invalid(firstProblem(parsed.error));
  const [, inviteId, inviter, addresses, secret, expiresAtSeconds] = parsed.data;
  const link = { inviteId, inviter, addresses, secret, expiresAtMs: expiresAtSeconds * 1_000 };
  return { type: "link", link };
}

/** Eight digits with this hint (0–99): the six others are random. */
export function drawCode(hint: number, random: Random): string {
  return String(hint).padStart(HINT_DIGITS, "0") +
    String(random.below(1_000_000)).padStart(6, "0");
}

/** The ticket for a link. Its password is a hash: the secret need not be kept. */
export function linkTicket(crypto: Crypto, inviteId: Uint8Array, secret: Uint8Array): InviteTicket {
  return { kind: "link", selector: inviteId, password: passwordOf(crypto, "link", secret) };
}

/** The ticket for a code of eight digits. */
export function codeTicket(crypto: Crypto, digits: string): InviteTicket {
  const selector = Uint8Array.of(Number(digits.slice(0, HINT_DIGITS)));
  const password = passwordOf(crypto, "code", new TextEncoder().encode(digits));
  return { kind: "code", selector, password };
}

function passwordOf(crypto: Crypto, kind: InviteKind, secret: Uint8Array): Uint8Array<ArrayBuffer> {
  const label = new TextEncoder().encode(`kiana pairing v1 ${kind} secret`);
  return crypto.sha256(lengthValues(label, secret));
}
