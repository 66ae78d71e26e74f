/** Which network interfaces can carry multicast DNS now: read from the system, turned into links. */
import { networkInterfaces } from "node:os";

/** One address of one interface, as the system lists it. */
export interface InterfaceAddress {
  readonly interfaceName: string;
  readonly address: string;
  readonly family: "IPv4" | "IPv6";
  readonly prefixBits: number;
  /** The loopback interface. */
  readonly internal: boolean;
  /** Index of the interface, for zones on Windows; 0 when unknown. */
  readonly scopeId: number;
}

/** One interface and family on which a multicast socket is wanted. */
export interface WantedLink {
  /** "eth0/4" or "eth0/6". */
  readonly id: string;
  readonly interfaceName: string;
  readonly family: "IPv4" | "IPv6";
  /** The address the socket is tied to. */
  readonly address: string;
  /** The loopback interface. */
  readonly internal: boolean;
  /** What follows "%" in an address of the link. */
  readonly zone: string;
  readonly subnets: readonly { readonly address: string; readonly prefixBits: number }[];
}

/** Linux says here whether a cable is in; elsewhere, and when unreadable for another reason, the interface counts as connected. */
function hasCarrier(interfaceName: string): boolean {
  if (Deno.build.os !== "linux") return true;
  const folder = `/sys/class/net/${interfaceName}`;
  try {
    return !["down", "lowerlayerdown"].includes(
      Deno.readTextFileSync(`${folder}/operstate`).trim(),
    );
  } catch {
    return true;
  }
}

/** Every address of every connected interface. */
export function systemInterfaces(): readonly InterfaceAddress[] {
  const out: InterfaceAddress[] = [];
  for (const [interfaceName, list] of Object.entries(networkInterfaces())) {
    if (list === undefined || !hasCarrier(interfaceName)) continue;
    for (const { address, family, cidr, internal, scopeid } of list) {
      out.push({
        interfaceName,
        address: address.replace(/%.*$/, ""),
        family: family === "IPv6" ? "IPv6" : "IPv4",
        prefixBits: Number(cidr?.split("/")[1] ?? (family === "IPv6" ? 64 : 24)),
        internal: internal || interfaceName === "lo",
        scopeId: scopeid ?? 0,
      });
    }
  }
  return out;
}

/**
 * The links to open: IPv4 and IPv6 of every interface but loopback. When there is no other, IPv4 on loopback, so that nodes of one
 * machine find each other without any network.
 */
export function wantedLinks(addresses: readonly InterfaceAddress[]): readonly WantedLink[] {
  const outside = addresses.filter((entry) => !entry.internal);
  const usable = outside.length > 0
    ? outside
    : addresses.filter((entry) => entry.internal && entry.family === "IPv4");
  const links = new Map<string, WantedLink>();
  for (const entry of usable) {
    const id = `${entry.interfaceName}/${entry.family === "IPv4" ? 4 : 6}`;
    if (links.has(id)) continue;
    const subnets = usable.filter((other) => other.interfaceName === entry.interfaceName)
      .map(({ address, prefixBits }) => ({ address, prefixBits }));
    links.set(id, {
      id,
      interfaceName: entry.interfaceName,
      family: entry.family,
      address: entry.address,
      internal: entry.internal,
      zone: Deno.build.os === "windows" ? String(entry.scopeId) : entry.interfaceName,
      subnets,
    });
  }
  return [...links.values()];
}
