/** Names of the service on the local network and how a person's name for a device becomes one. */
import { nameKey } from "./dns.ts";

/** DNS-SD service type of the family. */
export const SERVICE = "_kiana._tcp.local";
/** The name that lists service types (RFC 6763 §9). */
export const SERVICE_ENUMERATION = "_services._dns-sd._udp.local";
/** Bytes of one DNS label at most. */
const LABEL_BYTES_MAX = 63;

function cutToBytes(text: string, bytesMax: number): string {
  let out = "";
  let bytes = 0;
  for (const character of text) {
    const size = new TextEncoder().encode(character).length;
    if (bytes + size > bytesMax) break;
    out += character;
    bytes += size;
  }
  return out;
}

/**
 * The instance label for a display name: control characters removed, at most 63 bytes of UTF-8. A dot becomes a middle dot,
 * because the DNS codec separates labels by dots. From the second attempt on it carries a number: "Kitchen (2)" (RFC 6763 appendix D).
 */
export function instanceLabel(displayName: string, attempt: number): string {
  const suffix = attempt <= 1 ? "" : ` (${attempt})`;
  const clean = displayName.toWellFormed().replace(/[\p{Cc}\p{Cf}]/gu, "").replaceAll(".", "·")
    .trim();
  const base = cutToBytes(clean === "" ? "submind" : clean, LABEL_BYTES_MAX - suffix.length);
  return base.trimEnd() + suffix;
}

/** Full name of an instance. */
export function instanceName(label: string): string {
  return `${label}.${SERVICE}`;
}

/** The label of an instance of our service; undefined when the name is something else. */
export function labelOf(name: string): string | undefined {
  const suffix = `.${SERVICE}`;
  if (!nameKey(name).endsWith(suffix)) return undefined;
  const label = name.slice(0, name.length - suffix.length);
  return label.length > 0 && new TextEncoder().encode(label).length <= LABEL_BYTES_MAX
    ? label
    : undefined;
}

/** The host name of a device: unique because it comes from its key; numbered should somebody claim it nevertheless. */
export function hostName(deviceId: string, attempt: number): string {
  return `kiana-${deviceId.slice(0, 20)}${attempt <= 1 ? "" : `-${attempt}`}.local`;
}
