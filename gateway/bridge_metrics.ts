/** Metrics of the connection to a broker. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { NodeHandle } from "../actors/handle.ts";

/** Registers them; the returned function reads the node's numbers as they are now. */
export function bridgeMetrics(
  node: Pick<NodeHandle, "bridge">,
  registry: Registry,
): () => Promise<void> {
  const registers = [registry];
  const connected = new Gauge({
    name: "submind_bridge_connected",
    help: "1 while there is a connection to a broker.",
    registers,
  });
  const present = new Gauge({
    name: "submind_bridge_members_present",
    help: "Members heard over the broker lately.",
    registers,
  });
  const roundTrip = new Gauge({
    name: "submind_bridge_round_trip_seconds",
    help: "Round trip to the broker in use; 0 while unknown.",
    registers,
  });
  const failovers = new Counter({
    name: "submind_bridge_failovers_total",
    help: "How often the connection moved to another server.",
    registers,
  });
  const byDirection = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ["direction"], registers });
  const messages = byDirection("submind_bridge_messages_total", "Messages moved over the broker.");
  const bytes = byDirection("submind_bridge_bytes_total", "Bytes moved over the broker.");
  return async () => {
    const view = await node.bridge();
    connected.set(view.state === "connected" ? 1 : 0);
    present.set(view.present);
    roundTrip.set((view.roundTripMs ?? 0) / 1_000);
    for (const counter of [failovers, messages, bytes]) counter.reset();
    failovers.inc(view.failovers);
    messages.inc({ direction: "sent" }, view.messagesSent);
    messages.inc({ direction: "received" }, view.messagesReceived);
    bytes.inc({ direction: "sent" }, view.bytesSent);
    bytes.inc({ direction: "received" }, view.bytesReceived);
  };
}
