/** Which UDP addresses a device offers to others, and which of those that others offer it dials. */
import { ipBytes, isLinkLocalV6 } from "../protocols/discovery/ip.ts";
import { QUIC_CANDIDATES_MAX, type QuicCandidate } from "../protocols/session/quic_signalling.ts";
import type { InterfaceAddress } from "./mdns_interfaces.ts";

/** An address as it is dialled: a link-local one has a zone ("fe80::1%eth0"). */
export interface DialAddress {
  readonly host: string;
  readonly port: number;
}

/** Addresses that are dialled for one attempt, at most: others must not make us flood a network. */
export const QUIC_DIALS_MAX = 32;

type Address = Pick<InterfaceAddress, "address" | "family" | "internal" | "interfaceName">;

/**
 * What this device offers: what it knows of itself from outside first, then its own addresses, link-local ones last; loopback only
 * when there is nothing else.
 */
export function offeredCandidates(options: {
  readonly interfaces: readonly Address[];
  readonly port: number;
  /** Found by port mapping or STUN. */
  readonly outside: readonly QuicCandidate[];
}): readonly QuicCandidate[] {
  const { interfaces, port, outside } = options;
  const usable = interfaces.filter(({ internal }) => !internal);
  const own = (usable.length > 0 ? usable : interfaces).map(({ address }) => address);
  const global = own.filter((address) => !isLinkLocal(address));
  const linkLocal = own.filter(isLinkLocal);
  const hosts = [...global, ...linkLocal].map((host) => ({ host, port }));
  return unique([...outside, ...hosts]).slice(0, QUIC_CANDIDATES_MAX);
}

/** What is dialled of what another device offers: link-local addresses on each interface that has one of its own. */
export function dialAddresses(options: {
  readonly candidates: readonly QuicCandidate[];
  /** Where its signal came from; its router may show it there. */
  readonly seenAt: DialAddress | null;
  readonly interfaces: readonly Address[];
  readonly ipv6: boolean;
  /** Our own port: we do not dial ourselves. */
  readonly port: number;
}): readonly DialAddress[] {
  const { candidates, seenAt, interfaces, ipv6, port } = options;
  const zones = interfaces.filter(({ address, internal }) => !internal && isLinkLocal6(address))
    .map(({ interfaceName }) => interfaceName);
  const own = new Set(interfaces.map(({ address }) => address));
  const found: DialAddress[] = [];
  for (const candidate of seenAt === null ? candidates : [...candidates, seenAt]) {
    const bytes = ipBytes(candidate.host.replace(/%.*$/, ""));
    if (bytes !== undefined && (!isUnicast(bytes) || (bytes.length === 16 && !ipv6))) continue;
    if (own.has(candidate.host) && candidate.port === port) continue;
    if (isLinkLocal6(candidate.host) && !candidate.host.includes("%")) {
      for (const zone of zones) found.push({ ...candidate, host: `${candidate.host}%${zone}` });
    } else found.push(candidate);
  }
  return unique(found).slice(0, QUIC_DIALS_MAX);
}

/** Where a signal came from, when that is an address and not the name of a broker. */
export function seenAt(from: string, port: number): DialAddress | null {
  return ipBytes(from.replace(/%.*$/, "")) === undefined ? null : { host: from, port };
}

/** The host of a rendezvous address ("http://[fe80::1%25eth0]:7464"), as it is dialled; null when it has none. */
export function hostOfAddress(address: string): string | null {
  const host = /^https?:\/\/(?:\[([^\]]+)\]|([^/:]+))(?::\d+)?\/?$/i.exec(address);
  const found = host?.[1] ?? host?.[2];
  return found === undefined ? null : found.replace("%25", "%");
}

function isLinkLocal6(host: string): boolean {
  const bytes = ipBytes(host.replace(/%.*$/, ""));
  return bytes !== undefined && bytes.length === 16 && isLinkLocalV6(bytes);
}

function isLinkLocal(host: string): boolean {
  return isLinkLocal6(host) || host.startsWith("169.254.");
}

/** Neither unspecified nor multicast nor broadcast. */
function isUnicast(bytes: Uint8Array): boolean {
  if (bytes.every((byte) => byte === 0)) return false;
  return bytes.length === 16 ? bytes[0] !== 0xff : bytes[0]! > 0 && bytes[0]! < 224;
}

function unique<T extends DialAddress>(addresses: readonly T[]): readonly T[] {
  const seen = new Map(addresses.map((one) => [`${one.host} ${one.port}`, one]));
  return [...seen.values()];
}
