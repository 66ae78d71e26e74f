/** Who is here: what several interfaces and instances say, put together for each device. */
import type { Sighting } from "../../platform/discovery.ts";
import type { Found } from "./browser.ts";
import { ipBytes, isLinkLocalV6 } from "./ip.ts";

/** Addresses of one sighting at most. */
const ADDRESSES_MAX = 16;
/** Devices known at once at most. */
const DEVICES_MAX = 4_096;

/** What `compare` needs of each interface. */
export interface PresenceLink {
  readonly link: { readonly interfaceName: string };
  readonly browser: {
    found(): readonly Found[];
    saidGoodbye(instance: string): boolean;
  };
}

export type PresenceChange =
  | { readonly type: "sighted"; readonly sighting: Sighting }
  | { readonly type: "gone"; readonly deviceId: string; readonly reason: "goodbye" | "expired" };

interface Device {
  readonly instances: ReadonlySet<string>;
  readonly sighting: Sighting;
  readonly fingerprint: string;
}

/** Lower is more promising: IPv4, IPv6 beyond the link, IPv6 of the link, which needs a zone. */
function rank(address: string): number {
  const bytes = ipBytes(address);
  if (bytes?.length === 4) return 0;
  return bytes !== undefined && isLinkLocalV6(bytes) ? 2 : 1;
}

function addressUrl(address: string, port: number, interfaceName: string): string {
  if (!address.includes(":")) return `http://${address}:${port}`;
  const zone = rank(address) === 2 ? `%25${interfaceName}` : "";
  return `http://[${address.toLowerCase()}${zone}]:${port}`;
}

/** Remembers what was told, so that each change is told once. */
export class Presence {
  readonly #selfId: string;
  readonly #devices = new Map<string, Device>();

  constructor(selfId: string) {
    this.#selfId = selfId;
  }

  /** What is different from the last time. */
  compare(links: readonly PresenceLink[]): readonly PresenceChange[] {
    const changes: PresenceChange[] = [];
    const now = this.#collect(links);
    for (const [deviceId, device] of now) {
      if (this.#devices.get(deviceId)?.fingerprint === device.fingerprint) continue;
      this.#devices.set(deviceId, device);
      changes.push({ type: "sighted", sighting: device.sighting });
    }
    for (const [deviceId, device] of [...this.#devices]) {
      if (now.has(deviceId)) continue;
      this.#devices.delete(deviceId);
      const goodbye = links.some(({ browser }) =>
        [...device.instances].some((instance) => browser.saidGoodbye(instance))
      );
      changes.push({ type: "gone", deviceId, reason: goodbye ? "goodbye" : "expired" });
    }
    return changes;
  }

  /** Several instances may claim one device: what they say of addresses is joined, so that a liar can add but not remove. */
  #collect(links: readonly PresenceLink[]): ReadonlyMap<string, Device> {
    const heard = new Map<string, { interfaceName: string; found: Found }[]>();
    for (const { link, browser } of links) {
      for (const found of browser.found()) {
        const { deviceId } = found.claims;
        if (deviceId === this.#selfId) continue;
        const list = heard.get(deviceId) ?? [];
        if (list.length === 0 && heard.size >= DEVICES_MAX) continue;
        list.push({ interfaceName: link.interfaceName, found });
        heard.set(deviceId, list);
      }
    }
    const devices = new Map<string, Device>();
    for (const [deviceId, list] of heard) {
      const [first] = list;
      if (first === undefined) continue;
      const ranked = list.flatMap(({ interfaceName, found }) =>
        found.addresses.map((address) => ({
          rank: rank(address),
          url: addressUrl(address, found.claims.port, interfaceName),
        }))
      ).toSorted((a, b) => a.rank - b.rank || (a.url < b.url ? -1 : a.url > b.url ? 1 : 0));
      const addresses = [...new Set(ranked.map(({ url }) => url))].slice(0, ADDRESSES_MAX);
      const sighting: Sighting = { ...first.found.claims, addresses };
      const instances = new Set(list.map(({ found }) => found.instance));
      devices.set(deviceId, { instances, sighting, fingerprint: JSON.stringify(sighting) });
    }
    return devices;
  }
}
