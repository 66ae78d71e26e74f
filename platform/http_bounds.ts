/** Bounds for HTTP from strangers: bodies by size and time, addresses as keys for rate limits. */
import type { Clock } from "./ports.ts";

export type BoundedBody =
  | { readonly type: "complete"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "tooLarge" }
  | { readonly type: "tooSlow" }
  | { readonly type: "broken" };

/** Reads a whole body, but never more than `bytesMax` bytes nor longer than `timeoutMs`. */
export async function readBounded(options: {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly bytesMax: number;
  /** The Content-Length header: refuses early what says itself that it is too large. */
  readonly declaredBytes: string | null;
  readonly timeoutMs: number;
  readonly clock: Clock;
}): Promise<BoundedBody> {
  if (options.body === null) return { type: "complete", bytes: new Uint8Array(0) };
  if (Number(options.declaredBytes ?? 0) > options.bytesMax) {
    await options.body.cancel().catch(() => {});
    return { type: "tooLarge" };
  }
  const reader = options.body.getReader();
  let expired = false;
  const cancelTimeout = options.clock.schedule(options.timeoutMs, () => {
    expired = true;
    reader.cancel().catch(() => {});
  });
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > options.bytesMax) {
        await reader.cancel().catch(() => {});
        return { type: "tooLarge" };
      }
      parts.push(value);
    }
  } catch {
    return expired ? { type: "tooSlow" } : { type: "broken" };
  } finally {
    cancelTimeout();
  }
  if (expired) return { type: "tooSlow" };
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { type: "complete", bytes };
}

/** An IPv4 address that came through an IPv6 socket, as IPv4: "::ffff:192.168.1.7" is 192.168.1.7. */
export function unmapped(address: string): string {
  const match = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return match?.[1] ?? address;
}

/**
 * What requests of one household are counted under: the IPv4 address, or the first 64 bits of the IPv6 address, because
 * whoever has one address there has 2^64. Link-local addresses all share one /64 and are therefore taken whole.
 */
export function rateKeyOf(address: string): string {
  const plain = unmapped(address);
  if (!plain.includes(":")) return plain;
  const bare = plain.split("%")[0] ?? plain;
  const groups = expanded(bare);
  if ((parseInt(groups[0] ?? "0", 16) & 0xffc0) === 0xfe80) return groups.join(":");
  return groups.slice(0, 4).join(":") + "::/64";
}

/** The eight groups of an IPv6 address, without leading zeros. */
function expanded(address: string): readonly string[] {
  const [head = "", tail] = address.toLowerCase().split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  return [...front, ...Array<string>(missing).fill("0"), ...back].map((group) =>
    group.replace(/^0+(?=.)/, "")
  );
}
