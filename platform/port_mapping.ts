/**
 * Asks the router of this network to let others in: one TCP port for the rendezvous, one UDP port for QUIC. Mappings expire by
 * themselves, are renewed while the node runs and taken back when it stops. Where no router answers, nothing happens and nothing is
 * said above level "debug".
 */
import { ipBytes } from "../protocols/discovery/ip.ts";
import type { QuicCandidate } from "../protocols/session/quic_signalling.ts";
import type { Clock, Log } from "./ports.ts";

/** How long the router keeps a mapping that nobody renews, s. */
export const MAPPING_LIFETIME_S = 3_600;
const RENEW_MS = MAPPING_LIFETIME_S * 1_000 / 3;
/** A router that has not answered is asked again after this long, ms. */
const RETRY_MS = 10 * 60_000;
/** Taking mappings back must not hold up the end of a program, ms. */
const STOP_MS = 3_000;

/** One port of this device, as it shall be seen outside. */
export interface PortToMap {
  readonly protocol: "TCP" | "UDP";
  readonly port: number;
}

/** What is used of a library that speaks with routers. */
export interface Gateway {
  /** True when the router has agreed. Never rejects for a router that is absent. */
  map(port: PortToMap, lifetimeS: number): Promise<boolean>;
  unmap(port: PortToMap): Promise<void>;
  /** The router's own address outside; empty when it tells none. */
  externalAddress(): Promise<string>;
  close(): Promise<void>;
}

export interface PortMapping {
  /** Where others reach a port of ours, or null. */
  outside(protocol: PortToMap["protocol"]): QuicCandidate | null;
  /** Asks again now: the network is another. */
  renew(): void;
  stop(): Promise<void>;
}

export interface PortMappingOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly ports: readonly PortToMap[];
  /** Opens the library; default `natGateway`. */
  readonly openGateway: () => Promise<Gateway>;
}

/** Begins to ask. Returns at once: what a router says is known later, if at all. */
export function portMapping(options: PortMappingOptions): PortMapping {
  const { clock, log, ports } = options;
  let mapped: readonly PortToMap[] = [];
  let host: string | null = null;
  let stopped = false;
  let gateway: Gateway | undefined;
  let cancel: () => void = () => {};
  let running: Promise<void> = Promise.resolve();

  async function ask(): Promise<void> {
    gateway ??= await options.openGateway();
    const agreed: PortToMap[] = [];
    for (const port of ports) {
      if (stopped) return;
      if (await gateway.map(port, MAPPING_LIFETIME_S)) agreed.push(port);
    }
    const address = agreed.length === 0 ? "" : await gateway.externalAddress();
    const known = host;
    mapped = agreed;
    host = isPublic(address) ? address : null;
    if (agreed.length === 0) {
      log.write("debug", "no router maps ports here", {});
    } else if (host !== known) {
      const fields = { address, ports: agreed.map(({ protocol, port }) => `${port}/${protocol}`) };
      const what = host === null
        ? "router maps ports, but has no public address itself"
        : "router maps ports";
      log.write("info", what, fields);
    }
  }
  const again = (delayMs: number): void => {
    cancel();
    if (stopped) return;
    cancel = clock.schedule(delayMs, () => {
      running = running.then(ask).catch((error: unknown) => {
        mapped = [];
        host = null;
        log.write("debug", "port mapping failed", { error: String(error) });
      }).finally(() => again(mapped.length > 0 ? RENEW_MS : RETRY_MS));
    });
  };
  again(0);

  return {
    outside(protocol) {
      const found = mapped.find((port) => port.protocol === protocol);
      return host === null || found === undefined ? null : { host, port: found.port };
    },
    renew: () => again(0),
    async stop() {
      if (stopped) return;
      stopped = true;
      cancel();
      const end = async (): Promise<void> => {
        await running;
        for (const port of mapped) await gateway?.unmap(port);
        await gateway?.close();
      };
      let cancelWait: () => void = () => {};
      const waited = new Promise<void>((resolve) => cancelWait = clock.schedule(STOP_MS, resolve));
      await Promise.race([end().catch(() => {}), waited]);
      cancelWait();
      mapped = [];
      host = null;
    },
  };
}

/** False for addresses behind yet another router: nobody outside could use them. */
export function isPublic(address: string): boolean {
  const bytes = ipBytes(address);
  if (bytes === undefined || bytes.length !== 4) return false;
  const [a, b] = [bytes[0]!, bytes[1]!];
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168);
  const isShared = a === 100 && b >= 64 && b < 128;
  return !isPrivate && !isShared && a !== 0 && a !== 127 && a < 224 && !(a === 169 && b === 254);
}
