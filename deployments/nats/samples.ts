/** Looks at NATS servers through their monitoring, at most once in a few seconds however often it is asked. */
import type { RelaySample } from "../../gateway/relay_metrics.ts";
import type { Clock } from "../../platform/ports.ts";
import { fetchMonitoring } from "./monitoring.ts";

/** Servers looked at, at most. */
export const SAMPLED_SERVERS_MAX = 8;
/** A sample is good for so long, ms. */
const FRESH_MS = 2_000;
/** Links whose round trip is looked at, per server. */
const LINKS_MAX = 256;

/** A server's name in metrics, and where its monitoring is. */
export interface SampledServer {
  readonly server: string;
  readonly monitoringUrl: string;
}

/** A function that samples the servers as they are now. */
export function relaySampler(
  servers: () => readonly SampledServer[],
  clock: Clock,
): () => Promise<readonly RelaySample[]> {
  let last:
    | { readonly atMs: number; readonly samples: Promise<readonly RelaySample[]> }
    | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (last === undefined || nowMs - last.atMs > FRESH_MS) {
      const chosen = servers().slice(0, SAMPLED_SERVERS_MAX);
      last = { atMs: nowMs, samples: Promise.all(chosen.map((server) => sample(server, clock))) };
    }
    return last.samples;
  };
}

async function sample(
  { server, monitoringUrl }: SampledServer,
  clock: Clock,
): Promise<RelaySample> {
  const [health, varz, leafz, routez] = await Promise.all(
    ["healthz", "varz", "leafz", "routez"].map((page) =>
      fetchMonitoring(`${monitoringUrl.replace(/\/$/, "")}/${page}`, clock)
    ),
  );
  const links = [...listIn(leafz, "leafs"), ...listIn(routez, "routes")].slice(0, LINKS_MAX);
  return {
    server,
    healthy: health?.["status"] === "ok",
    peers: numberIn(varz, "connections") + numberIn(leafz, "leafnodes"),
    bytesReceived: numberIn(varz, "in_bytes"),
    bytesSent: numberIn(varz, "out_bytes"),
    links: numberIn(leafz, "leafnodes") + numberIn(routez, "num_routes"),
    roundTripsSeconds: links.map((link) => secondsOf(String(link["rtt"] ?? ""))).filter((value) =>
      value !== undefined
    ),
    slowConsumers: numberIn(varz, "slow_consumers"),
  };
}

type Page = Readonly<Record<string, unknown>> | null | undefined;

function numberIn(page: Page, key: string): number {
  const value = page?.[key];
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : 0;
}

function listIn(page: Page, key: string): readonly Readonly<Record<string, unknown>>[] {
  const value = page?.[key];
  return Array.isArray(value)
    ? value.filter((item) => typeof item === "object" && item !== null)
    : [];
}

/** Seconds of a Go duration as monitoring writes round trips: "1.234ms", "87µs", "1.2s", "1m2s"; undefined when it is none. */
export function secondsOf(duration: string): number | undefined {
  if (!/^(\d{1,9}(\.\d{1,9})?(h|ms|m|s|µs|us|ns))+$/.test(duration)) return undefined;
  const units: Readonly<Record<string, number>> = {
    h: 3_600,
    m: 60,
    s: 1,
    ms: 1e-3,
    "µs": 1e-6,
    us: 1e-6,
    ns: 1e-9,
  };
  let seconds = 0;
  for (const [, value, unit] of duration.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|µs|us|ns)/g)) {
    seconds += Number(value) * (units[unit ?? ""] ?? 0);
  }
  return seconds;
}
