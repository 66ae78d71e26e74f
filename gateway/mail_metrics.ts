/** Prometheus metrics of messages: what waits, and how many came, went and arrived since the start. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { NodeHandle } from "../actors/handle.ts";
import type { MailStatus } from "../actors/mail_handle.ts";

const GAUGES = {
  submind_messages_queued: ["Own parcels not at their recipient yet.", (s) => s.queued],
  submind_messages_queued_bytes: ["Their bytes.", (s) => s.queuedBytes],
  submind_messages_carried: ["Parcels of others kept here.", (s) => s.carried],
  submind_messages_carried_bytes: ["Their bytes.", (s) => s.carriedBytes],
  submind_messages_carried_bytes_max: ["Space for parcels of others.", (s) => s.carriedBytesMax],
  submind_messages_waiting: ["Arrived before something they follow.", (s) => s.waiting],
  submind_messages_unread: ["Nobody has seen them.", (s) => s.unread],
} as const satisfies Record<string, readonly [help: string, value: (s: MailStatus) => number]>;

/** Metrics of a node's messages in `registry`. */
export function mailMetrics(
  node: NodeHandle,
  registry: Registry,
): { refresh(): Promise<void>; close(): void } {
  const registers = [registry];
  const gauges = Object.entries(GAUGES).map(([name, [help, value]]) => ({
    gauge: new Gauge({ name, help, registers }),
    value,
  }));
  const received = new Counter({
    name: "submind_messages_received_total",
    help: "Messages that became durable here.",
    registers,
  });
  const deliveries = new Counter({
    name: "submind_message_deliveries_total",
    help: "Steps of own messages to a recipient: carried, delivered, read, expired, failed.",
    labelNames: ["state"],
    registers,
  });
  const close = node.subscribe((event) => {
    if (event.type === "messageReceived") received.inc();
    else if (event.type === "deliveryChanged") deliveries.inc({ state: event.state });
  });
  return {
    close,
    async refresh() {
      const status = await node.mail.status();
      for (const { gauge, value } of gauges) gauge.set(value(status));
    },
  };
}
