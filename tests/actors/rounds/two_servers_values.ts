/** What parts of a sum with a second party stand for. */
import { levelMax, signed } from "../../../learning/secure/encoding.ts";
import { unpack } from "../../../learning/secure/packing.ts";
import { nodeMaskStream } from "../../../platform/mask_stream.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import type { sumOf } from "./two_servers_support.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const masks = nodeMaskStream();
const LABEL = new TextEncoder().encode("kiana sum two servers v1\0");

/** Thirty-two bytes that stand for what a device handed in. */
export function digest(device: DeviceId): Uint8Array<ArrayBuffer> {
  return crypto.sha256(new TextEncoder().encode(device));
}

/** The update of one device from both of its parts, reckoned as `docs/protocols/secure-aggregation.md` says. */
export function decodeSumVectorFor(
  { view, round }: Pick<ReturnType<typeof sumOf>, "view" | "round">,
  part: Uint8Array,
  seed: Uint8Array,
): readonly number[] {
  const target = unpack(part, { count: round.length, bits: round.bits })!;
  const key = crypto.hkdf({ secret: seed, salt: view.hash, info: LABEL, length: 32 });
  masks.apply({ key, target, sign: 1 });
  const integers = Array.from(target, (value) => signed(value, round.bits));
  const weight = integers.pop()!;
  return integers.map((value) => value / levelMax({ valueBits: 16 }) * 127 / weight);
}
