/** Metrics of NATS servers that this node looks after or depends on: its own leaf and the hubs. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** One server as its monitoring shows it. */
export interface RelaySample {
  /** Few and stable: "leaf", or the address of a hub's monitoring. */
  readonly server: string;
  /** False: it did not answer, and the other figures are 0. */
  readonly healthy: boolean;
  /** Clients and leaves that are connected. */
  readonly peers: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Links to other servers that are up: leaf links and routes of a cluster. */
  readonly links: number;
  /** Round trips to the other end of each link, s. */
  readonly roundTripsSeconds: readonly number[];
  /** Clients that were cut off because they did not read. */
  readonly slowConsumers: number;
}

/** Registers them; the returned function reads the servers as they are now. */
export function relayMetrics(
  samples: () => Promise<readonly RelaySample[]>,
  registry: Registry,
): () => Promise<void> {
  const registers = [registry];
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["server"], registers });
  const peers = gauge("submind_relay_peers", "Clients and leaves connected to a NATS server.");
  const healthy = gauge("submind_relay_healthy", "1 when a NATS server answers and is healthy.");
  const links = gauge(
    "submind_relay_federation_links",
    "Links of a NATS server to hubs, sites and the other hubs that are up; 0 means that a home is alone.",
  );
  const bytes = new Counter({
    name: "submind_relay_bytes_total",
    help: "Bytes moved by a NATS server since it started.",
    labelNames: ["server", "direction"],
    registers,
  });
  const slow = new Counter({
    name: "submind_relay_slow_consumers_total",
    help: "Connections that a NATS server cut off because they did not read.",
    labelNames: ["server"],
    registers,
  });
  const roundTrip = new Histogram({
    name: "submind_relay_round_trip_seconds",
    help:
      "Round trip over each link between NATS servers, as they measure it; looked at with every scrape.",
    labelNames: ["server"],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  });
  return async () => {
    for (const metric of [peers, healthy, links, bytes, slow]) metric.reset();
    for (const sample of await samples()) {
      const { server } = sample;
      healthy.set({ server }, sample.healthy ? 1 : 0);
      peers.set({ server }, sample.peers);
      links.set({ server }, sample.links);
      bytes.inc({ server, direction: "received" }, sample.bytesReceived);
      bytes.inc({ server, direction: "sent" }, sample.bytesSent);
      slow.inc({ server }, sample.slowConsumers);
      for (const seconds of sample.roundTripsSeconds) roundTrip.observe({ server }, seconds);
    }
  };
}
