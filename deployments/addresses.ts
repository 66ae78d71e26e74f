/** Where other devices of the network find our rendezvous. */
import { networkInterfaces } from "node:os";

/** Most addresses that are told to others. */
const ADDRESSES_MAX = 8;

/** One address of this machine, as the system lists it. */
export interface MachineAddress {
  readonly address: string;
  readonly family: "IPv4" | "IPv6";
  readonly internal: boolean;
}

/**
 * Rendezvous addresses of this machine, most useful first: IPv4, then IPv6 that other networks could route. Link-local IPv6 is
 * left out because its zone means nothing on another device; loopback counts only when there is nothing else.
 */
export function rendezvousAddresses(
  port: number,
  machine: readonly MachineAddress[] = machineAddresses(),
): readonly string[] {
  const outside = machine.filter(({ address, internal }) => !internal && !isLinkLocal(address));
  const usable = outside.length > 0
    ? outside
    : [{ address: "127.0.0.1", family: "IPv4", internal: true } as const];
  return usable
    .toSorted((a, b) => a.family < b.family ? -1 : a.family > b.family ? 1 : 0)
    .slice(0, ADDRESSES_MAX)
    .map(({ address, family }) => `http://${family === "IPv6" ? `[${address}]` : address}:${port}`);
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address) || address.startsWith("169.254.");
}

function machineAddresses(): readonly MachineAddress[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    list ?? []
  ) as readonly MachineAddress[];
}
