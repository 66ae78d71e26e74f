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
/** Mappings are asked for again after this share of their lifetime, but not more often than `RENEW_MS_MIN`. */
const RENEW_SHARE = 1 / 3;
const RENEW_MS_MIN = 30_000;
/** A router that has not answered is asked again after this long, ms. */
const RETRY_MS = 10 * 60_000;
/** Taking mappings back must not hold up the end of a program, ms. */
const STOP_MS = 3_000;

/** One port of this device, as it shall be seen outside. */
export interface PortToMap {
  readonly protocol: "TCP" | "UDP";
  readonly port: number;
}

/** What a router has given. */
export interface Mapped {
  /** The router's own address outside; empty when it tells none. */
  readonly host: string;
  /** The port outside, which need not be the one that was wished for. */
  readonly port: number;
  readonly lifetimeS: number;
  readonly by: "PCP" | "NAT-PMP" | "UPnP";
}

/** A way to speak with routers. */
export interface Gateway {
  /** Null when no router agrees. Never rejects for a router that is absent. */
  map(port: PortToMap, lifetimeS: number): Promise<Mapped | null>;
  unmap(port: PortToMap): Promise<void>;
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
  /** Opens it at the first question. */
  readonly openGateway: () => Promise<Gateway>;
}

/** Begins to ask. Returns at once: what a router says is known later, if at all. */
export function portMapping(options: PortMappingOptions): PortMapping {
  const { clock, log, ports } = options;
  let mapped: readonly { readonly port: PortToMap; readonly given: Mapped }[] = [];
  let told = "";
  let stopped = false;
  let gateway: Gateway | undefined;
  let cancel: () => void = () => {};
  let running: Promise<void> = Promise.resolve();

  async function ask(): Promise<void> {
    gateway ??= await options.openGateway();
    const agreed: typeof mapped[number][] = [];
    for (const port of ports) {
      if (stopped) return;
      const given = await gateway.map(port, MAPPING_LIFETIME_S);
      if (given !== null) agreed.push({ port, given });
    }
    mapped = agreed;
    if (agreed.length === 0) {
      told = "";
      log.write("debug", "no router maps ports here", {});
      return;
    }
    const fields = {
      address: agreed[0]!.given.host,
      ports: agreed.map(({ port, given }) => `${given.port}/${port.protocol}`),
      by: agreed[0]!.given.by,
    };
    const now = JSON.stringify(fields);
    if (now === told) return;
    told = now;
    const what = agreed.every(({ given }) => isPublic(given.host))
      ? "router maps ports"
      : "router maps ports, but has no public address itself";
    log.write("info", what, fields);
  }
  const renewMs = (): number => {
    const lifetimeS = Math.min(...mapped.map(({ given }) => given.lifetimeS));
    return Math.max(RENEW_MS_MIN, Math.min(lifetimeS, MAPPING_LIFETIME_S) * 1_000 * RENEW_SHARE);
  };
  const again = (delayMs: number): void => {
    cancel();
    if (stopped) return;
    cancel = clock.schedule(delayMs, () => {
      running = running.then(ask).catch((error: unknown) => {
        mapped = [];
        told = "";
        log.write("debug", "port mapping failed", { error: String(error) });
      }).finally(() => again(mapped.length > 0 ? renewMs() : RETRY_MS));
    });
  };
  again(0);

  return {
    outside(protocol) {
      const found = mapped.find(({ port }) => port.protocol === protocol);
      if (found === undefined || !isPublic(found.given.host)) return null;
      return { host: found.given.host, port: found.given.port };
    },
    renew: () => again(0),
    async stop() {
      if (stopped) return;
      stopped = true;
      cancel();
      const end = async (): Promise<void> => {
        await running;
        for (const { port } of mapped) await gateway?.unmap(port);
      };
      let cancelWait: () => void = () => {};
      const waited = new Promise<void>((resolve) => cancelWait = clock.schedule(STOP_MS, resolve));
      if (mapped.length > 0) await Promise.race([end().catch(() => {}), waited]);
      // Whatever is still being asked ends with it.
      await Promise.race([gateway?.close().catch(() => {}), waited]);
      cancelWait();
      mapped = [];
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
