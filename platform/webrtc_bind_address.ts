/**
 * Which address a WebRTC connection must be bound to, if any. The native library offers neither loopback nor link-local IPv6
 * addresses by itself: devices that have nothing else would find no way to each other (a computer without any network that runs
 * several nodes; a cable between two devices without a router).
 */
import { networkInterfaces } from "node:os";

/** One address of this machine, as the system lists it. */
export interface InterfaceAddress {
  readonly interface: string;
  readonly address: string;
  readonly family: "IPv4" | "IPv6";
  readonly internal: boolean;
}

const LINK_LOCAL_6 = /^fe[89ab]/i;

/**
 * Undefined when the library finds usable addresses itself; else the first link-local IPv6 address with its zone
 * ("fe80::1%eth0"), else loopback.
 */
export function bindAddressOf(machine: readonly InterfaceAddress[]): string | undefined {
  const outside = machine.filter(({ internal }) => !internal);
  if (outside.some(({ address }) => !LINK_LOCAL_6.test(address))) return undefined;
  const [linkLocal] = outside;
  if (linkLocal === undefined) return "127.0.0.1";
  const [address] = linkLocal.address.split("%");
  return `${address}%${linkLocal.interface}`;
}

/** The same for this machine as it is now. */
export function bindAddress(): string | undefined {
  const machine = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(({ address, family, internal }) => ({
      interface: name,
      address,
      family: family as InterfaceAddress["family"],
      internal,
    }))
  );
  return bindAddressOf(machine);
}

/** A candidate line without the zone of its address: zones mean nothing on another device. */
export function withoutZone(candidate: string): string {
  return candidate.replace(/^((?:a=)?candidate:(?:\S+ ){4}[0-9a-fA-F:]+)%\S+/, "$1");
}
