/**
 * Between a content and a parcel's box. The box alone proves which keys made it; this file ties it to mesh, sender and recipient as well, so
 * that a member who publishes another's box key as its own cannot pass that device's boxes off as its own words. It also pads, so
 * that a carrier learns little from sizes.
 *
 * Inside the box: 32 bytes binding, the content, one byte 0x80, zero bytes up to a padded length (Padmé: Nikitin et al., PETS 2019, §4).
 */
import { invariant } from "../../platform/invariant.ts";
import type { Crypto, Random, Sealer } from "../../platform/ports.ts";
import { equalBytes } from "../codec.ts";
import { type DeviceId, type MeshId, publicKeyOf } from "../ids.ts";
import type { Content } from "./content.ts";
import { CONTENT_BYTES_MAX, decodeContent, encodeContent } from "./content_wire.ts";
import type { Decoded } from "../wire_schema.ts";

const LABEL = new TextEncoder().encode("kiana box v1\0");
const BINDING_BYTES = 32;
const PADDING_MARK = 0x80;

/** Who a box is from and for. */
export interface BoxAddress {
  readonly mesh: MeshId;
  readonly from: DeviceId;
  readonly to: DeviceId;
}

/** What both directions need: the device's own sealer and the other's box key (32 bytes, from its `keys` block). */
export interface BoxDependencies {
  readonly sealer: Sealer;
  readonly otherKey: Uint8Array;
  readonly crypto: Pick<Crypto, "sha256">;
}

/**
 * The box of a content: what a parcel carries.
 *
 * @throws {RangeError} when the other's key has low order: whoever published it can be sent nothing
 * @throws {InvariantError} when the content is larger than `CONTENT_BYTES_MAX`
 */
export function sealContent(
  content: Content,
  address: BoxAddress,
  deps: BoxDependencies & { readonly random: Random },
): Uint8Array<ArrayBuffer> {
  const encoded = encodeContent(content);
  invariant(
    encoded.length <= CONTENT_BYTES_MAX,
    () => `Cannot seal content: ${encoded.length} bytes, expected <= ${CONTENT_BYTES_MAX}`,
  );
  const plain = new Uint8Array(paddedLength(BINDING_BYTES + encoded.length + 1));
  plain.set(bindingOf(address, deps.crypto));
  plain.set(encoded, BINDING_BYTES);
  plain[BINDING_BYTES + encoded.length] = PADDING_MARK;
  return deps.sealer.seal(deps.otherKey, plain, deps.random);
}

/** Opens the box of a parcel and reads its content. `ok` false: it is no box of that sender for us, or holds no content. Never throws. */
export function openContent(
  sealed: Uint8Array,
  address: BoxAddress,
  deps: BoxDependencies,
): Decoded<Content> {
  const plain = deps.sealer.open(deps.otherKey, sealed);
  if (plain === undefined) return { ok: false, reason: "box does not open" };
  if (
    plain.length < BINDING_BYTES ||
    !equalBytes(plain.subarray(0, BINDING_BYTES), bindingOf(address, deps.crypto))
  ) return { ok: false, reason: "box was made for another sender, recipient or mesh" };
  const end = plain.findLastIndex((byte) => byte !== 0);
  if (end < BINDING_BYTES || plain[end] !== PADDING_MARK) {
    return { ok: false, reason: "box has no padding" };
  }
  if (plain.length !== paddedLength(end + 1)) {
    return { ok: false, reason: "box is padded to another length" };
  }
  return decodeContent(plain.subarray(BINDING_BYTES, end));
}

/**
 * Padmé: the length rounded up so that only the upper half of its bits tells anything: at most 12 % more, and 2·log₂(log₂ L) bits are told. The
 * smallest is 128, so that receipts and short words look alike.
 */
export function paddedLength(length: number): number {
  if (length <= 128) return 128;
  const exponent = Math.floor(Math.log2(length));
  const kept = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** (exponent - kept);
  return Math.ceil(length / step) * step;
}

function bindingOf(
  { mesh, from, to }: BoxAddress,
  crypto: Pick<Crypto, "sha256">,
): Uint8Array<ArrayBuffer> {
  return crypto.sha256(LABEL, Uint8Array.fromHex(mesh), publicKeyOf(from), publicKeyOf(to));
}
