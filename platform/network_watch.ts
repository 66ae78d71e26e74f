/** Notices that this device has other addresses than before: a cable, another Wi-Fi, a new prefix. Looks, because no runtime tells. */
import { type InterfaceAddress, systemInterfaces } from "./mdns_interfaces.ts";
import type { Clock } from "./ports.ts";

/** How often it looks, ms: reading the list takes well under a millisecond. */
export const NETWORK_WATCH_MS = 2_000;

export interface NetworkWatch {
  /** Calls back after every change. Returns a function that ends it. */
  watch(onChange: () => void): () => void;
  close(): void;
}

/** Starts looking. Loopback does not count; the order of addresses means nothing. */
export function networkWatch(options: {
  readonly clock: Clock;
  readonly interfaces?: () => readonly InterfaceAddress[];
  readonly everyMs?: number;
}): NetworkWatch {
  const { clock, interfaces = systemInterfaces, everyMs = NETWORK_WATCH_MS } = options;
  const listeners = new Set<() => void>();
  let known = fingerprint(interfaces());
  const look = (): void => {
    const now = fingerprint(interfaces());
    cancel = clock.schedule(everyMs, look);
    if (now === known) return;
    known = now;
    for (const listener of [...listeners]) listener();
  };
  let cancel = clock.schedule(everyMs, look);
  return {
    watch(onChange) {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
    close() {
      cancel();
      listeners.clear();
    },
  };
}

function fingerprint(addresses: readonly InterfaceAddress[]): string {
  return addresses.filter(({ internal }) => !internal)
    .map(({ interfaceName, address, prefixBits }) => `${interfaceName} ${address}/${prefixBits}`)
    .sort().join("\n");
}
