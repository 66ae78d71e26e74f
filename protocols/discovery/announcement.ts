/** What a device says of itself as DNS-SD records, and back: records of others as validated claims. */
import type { Announcement } from "../../platform/discovery.ts";
import { parseDeviceId } from "../ids.ts";
import type { DnsRecord, ServiceRecord, TextRecord } from "./dns.ts";
import { ipBytes } from "./ip.ts";
import { labelOf, SERVICE, SERVICE_ENUMERATION } from "./names.ts";

/** Time to live of records that name a host or an address, seconds (RFC 6762 §10). */
export const HOST_TTL_S = 120;
/** Time to live of all others, seconds (RFC 6762 §10). */
export const OTHER_TTL_S = 4_500;

const ROLE = /^[a-z0-9-]{1,32}$/;
const CAPABILITY = /^[a-z0-9-]{1,32}$/;
const CAPABILITIES_MAX = 16;
const MESH_TAG = /^(?:[0-9a-f]{8})?$/;

/** What `publishedRecords` needs besides the announcement itself. */
export interface PublishedNames {
  /** Full instance name. */
  readonly instance: string;
  /** Full host name. */
  readonly host: string;
  /** Our addresses on this interface, without zones. */
  readonly addresses: readonly string[];
}

function textData(self: Announcement): readonly Uint8Array[] {
  const encoder = new TextEncoder();
  return [
    `device_id=${self.deviceId}`,
    `role=${self.role}`,
    `capabilities=${self.capabilities.slice(0, CAPABILITIES_MAX).join(",")}`,
    `mesh=${self.meshTag}`,
    `v=${self.protocolVersion}`,
  ].map((text) => encoder.encode(text).slice(0, 255));
}

/** Every record we publish on one interface; the shared ones (without flush) first. */
export function publishedRecords(self: Announcement, names: PublishedNames): readonly DnsRecord[] {
  const { instance, host, addresses } = names;
  const shared = { ttlS: OTHER_TTL_S, flush: false } as const;
  const hosted = { ttlS: HOST_TTL_S, flush: true } as const;
  const records: DnsRecord[] = [
    { name: SERVICE, type: "PTR", ...shared, data: instance },
    { name: SERVICE_ENUMERATION, type: "PTR", ...shared, data: SERVICE },
    { name: instance, type: "SRV", ...hosted, data: { port: self.port, target: host } },
    { name: instance, type: "TXT", ttlS: OTHER_TTL_S, flush: true, data: textData(self) },
  ];
  for (const address of addresses) {
    const bytes = ipBytes(address);
    if (bytes === undefined) continue;
    records.push({ name: host, type: bytes.length === 4 ? "A" : "AAAA", ...hosted, data: address });
  }
  return records;
}

/** The value of a TXT key; keys compare without case and the first of equal ones counts (RFC 6763 §6.4). */
export function textValue(record: TextRecord, key: string): string | undefined {
  for (const part of record.data) {
    const equals = part.indexOf(0x3d);
    if (equals <= 0) continue;
    const name = new TextDecoder().decode(part.subarray(0, equals)).toLowerCase();
    if (name === key) return new TextDecoder().decode(part.subarray(equals + 1));
  }
  return undefined;
}

/**
 * The claims of an instance; undefined when a needed key is missing or malformed. Unknown keys are ignored, so that later
 * versions may add some.
 */
export function parseClaims(service: ServiceRecord, text: TextRecord): Announcement | undefined {
  const displayName = labelOf(service.name);
  const deviceId = parseDeviceId(textValue(text, "device_id") ?? "");
  const version = textValue(text, "v") ?? "";
  if (displayName === undefined || deviceId === undefined) return undefined;
  if (!/^[1-9][0-9]{0,4}$/.test(version) || service.data.port === 0) return undefined;
  const role = textValue(text, "role") ?? "";
  const meshTag = textValue(text, "mesh") ?? "";
  const capabilities = (textValue(text, "capabilities") ?? "").split(",")
    .filter((capability) => CAPABILITY.test(capability)).slice(0, CAPABILITIES_MAX);
  return {
    deviceId,
    displayName: displayName.replace(/[\p{Cc}\p{Cf}]/gu, ""),
    role: ROLE.test(role) ? role : "",
    capabilities: [...new Set(capabilities)],
    meshTag: MESH_TAG.test(meshTag) ? meshTag : "",
    protocolVersion: Number(version),
    port: service.data.port,
  };
}
