/** Prometheus metrics of a node and its gateway, in a registry of their own. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { NodeHandle, NodeStatus } from "../actors/handle.ts";
import type { EventHub } from "./event_hub.ts";
import { bridgeMetrics } from "./bridge_metrics.ts";
import { learningMetrics } from "./learning_metrics.ts";
import { mailMetrics } from "./mail_metrics.ts";
import { relayMetrics, type RelaySample } from "./relay_metrics.ts";

export interface RequestRecord {
  readonly method: string;
  /** The pattern of the route, never the path: labels must stay few. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

export interface GatewayMetrics {
  /** Stops watching the node. */
  close(): void;
  observe(request: RequestRecord): void;
  /** The text exposition format, with the node's numbers as they are now. */
  render(): Promise<{ readonly text: string; readonly contentType: string }>;
}

const STATUS_GAUGES = {
  submind_peers_connected: ["Sessions that are up.", (s) => s.peersConnected],
  submind_peers_sighted: ["Devices seen on the network.", (s) => s.peersSighted],
  submind_members: ["Members of the mesh.", (s) => s.members],
  submind_blocks: ["Blocks stored.", (s) => s.blocks],
  submind_block_bytes: ["Header and inline payload bytes stored.", (s) => s.blockBytes],
  submind_blocks_without_payload: [
    "Blocks whose payload is not here.",
    (s) => s.blocksWithoutPayload,
  ],
  submind_chunks: ["Chunks stored.", (s) => s.chunks],
  submind_chunk_bytes: ["Bytes of the chunks stored.", (s) => s.chunkBytes],
  submind_damaged_rows: ["Rows found damaged and not repaired yet.", (s) => s.damage.length],
  submind_uptime_seconds: ["Since the node started.", (s) => s.uptimeMs / 1_000],
} as const satisfies Record<string, readonly [help: string, value: (s: NodeStatus) => number]>;

/** Metrics of `node`; `events` is asked for its readers, `relays` for the NATS servers around. */
export function gatewayMetrics(
  node: NodeHandle,
  events: EventHub,
  relays: () => Promise<readonly RelaySample[]> = () => Promise.resolve([]),
): GatewayMetrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "submind_http_requests_total",
    help: "Requests answered.",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const latency = new Histogram({
    name: "submind_http_request_duration_seconds",
    help: "Until the response began.",
    labelNames: ["method", "route"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const gauges = Object.entries(STATUS_GAUGES).map(([name, [help, value]]) => ({
    gauge: new Gauge({ name, help, registers }),
    value,
  }));
  const sessions = new Gauge({
    name: "submind_sessions",
    help: "Known devices by the state of their session.",
    labelNames: ["state"],
    registers,
  });
  const liveness = new Gauge({
    name: "submind_members_by_liveness",
    help: "Members by what the failure detector believes.",
    labelNames: ["state"],
    registers,
  });
  const localHealth = new Gauge({
    name: "submind_local_health",
    help: "Lifeguard's local health multiplier: 0 is healthy, 7 worst.",
    registers,
  });
  const traffic = new Gauge({
    name: "submind_session_bytes",
    help: "Bytes moved with the devices known now.",
    labelNames: ["direction"],
    registers,
  });
  const queued = new Gauge({
    name: "submind_actor_queue_length",
    help: "Commands waiting.",
    labelNames: ["actor"],
    registers,
  });
  const actorTotal = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ["actor"], registers });
  const handled = actorTotal("submind_actor_handled_total", "Commands handled.");
  const overflowed = actorTotal("submind_actor_overflowed_total", "Commands lost: mailbox full.");
  const restarts = actorTotal("submind_actor_restarts_total", "Restarts.");
  const readers = new Gauge({
    name: "submind_event_readers",
    help: "Open event streams.",
    registers,
  });
  const slowReaders = new Counter({
    name: "submind_event_readers_dropped_total",
    help: "Event streams dropped because they were not read.",
    registers,
  });

  const refreshBridge = bridgeMetrics(node, registry);
  const refreshRelays = relayMetrics(relays, registry);
  const mail = mailMetrics(node, registry);
  const learning = learningMetrics(node, registry);

  async function refresh(): Promise<void> {
    const status = await node.status();
    await mail.refresh();
    await learning.refresh();
    await refreshRelays();
    for (const { gauge, value } of gauges) gauge.set(value(status));
    sessions.reset();
    let sent = 0;
    let received = 0;
    for (const peer of await node.peers()) {
      sessions.inc({ state: peer.state });
      sent += peer.bytesSent;
      received += peer.bytesReceived;
    }
    await refreshBridge();
    const heard = await node.liveness();
    liveness.reset();
    for (const { state } of heard.members) liveness.inc({ state });
    localHealth.set(heard.localHealth);
    traffic.set({ direction: "sent" }, sent);
    traffic.set({ direction: "received" }, received);
    for (const metric of [queued, handled, overflowed, restarts]) metric.reset();
    for (const counters of node.counters()) {
      // Behaviours, not paths: one label value per kind of actor, however many sessions come and go.
      const labels = { actor: counters.behaviour };
      queued.inc(labels, counters.queued);
      handled.inc(labels, counters.handled);
      overflowed.inc(labels, counters.overflowed);
      restarts.inc(labels, counters.restarts);
    }
    readers.set(events.readers());
    slowReaders.reset();
    slowReaders.inc(events.dropped());
  }

  return {
    close() {
      mail.close();
      learning.close();
    },
    observe({ method, route, status, seconds }) {
      requests.inc({ method, route, status });
      latency.observe({ method, route }, seconds);
    },
    async render() {
      await refresh();
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
  };
}
