/** The broker in memory keeps the promises of the port. */
import assert from "node:assert/strict";
import { memoryBroker } from "../../platform/memory_broker.ts";
import { subjectMatches } from "../../platform/memory_broker_hub.ts";
import { systemClock } from "../../platform/system_clock.ts";
import type { Broker } from "../../platform/broker.ts";
import { brokerContract } from "../contracts/broker_contract.ts";

// deno-lint-ignore require-await -- the fixture is asynchronous
brokerContract("memory broker", async () => {
  const broker = memoryBroker({ clock: systemClock(), retryMs: 10 });
  const clients: Broker[] = [];
  return {
    // deno-lint-ignore require-await -- the fixture is asynchronous
    async open() {
      const client = broker.open();
      clients.push(client);
      return client;
    },
    // deno-lint-ignore require-await -- the fixture is asynchronous
    stop: async () => broker.stop(),
    // deno-lint-ignore require-await -- the fixture is asynchronous
    start: async () => broker.start(),
    async close() {
      for (const client of clients) await client.close();
      broker.stop();
    },
  };
});

Deno.test("subjects match as the NATS documentation says", () => {
  for (
    const [pattern, subject, expected] of [
      ["a.b", "a.b", true],
      ["a.b", "a.b.c", false],
      ["a.*", "a.b", true],
      ["a.*", "a", false],
      ["a.*.c", "a.b.c", true],
      ["a.>", "a.b", true],
      ["a.>", "a.b.c", true],
      ["a.>", "a", false],
      [">", "a", true],
      ["*", "a.b", false],
    ] as const
  ) {
    assert.equal(subjectMatches(pattern, subject), expected, `${pattern} ${subject}`);
  }
});
