/** What session tests share: reproducible chance and devices. */
import { createHash } from "node:crypto";
import type { Random, Signer } from "../../../platform/ports.ts";
import { nodeSigner } from "../../../platform/node_crypto.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";

/** Chance from a label: the same label gives the same draws. */
export function labelledRandom(label: string): Random {
  let counter = 0;
  const random: Random = {
    bytes(count) {
      const out = new Uint8Array(count);
      for (let at = 0; at < count; at += 32) {
        const block = createHash("sha256").update(`${label}/${counter++}`).digest();
        out.set(block.subarray(0, Math.min(32, count - at)), at);
      }
      return out;
    },
    uint32: () => new DataView(random.bytes(4).buffer).getUint32(0),
    below: (bound) => random.uint32() % bound,
    float: () => random.uint32() / 2 ** 32,
    fork: (child) => labelledRandom(`${label}/${child}`),
  };
  return random;
}

/** Chance that gives exactly these bytes once: for published vectors. */
export function fixedRandom(bytes: Uint8Array): Random {
  return { ...labelledRandom("unused"), bytes: () => new Uint8Array(bytes) };
}

export interface TestDevice {
  readonly id: DeviceId;
  readonly signer: Signer;
}

/** A device whose key follows from its name. */
export function testDevice(name: string): TestDevice {
  const signer = nodeSigner(labelledRandom(`device ${name}`).bytes(32));
  return { id: deviceIdOf(signer.publicKey), signer };
}
