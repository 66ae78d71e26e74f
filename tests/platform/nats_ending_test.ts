/** The few turns between the end of a connection to a real nats-server and the word about it. */
import assert from "node:assert/strict";
import type { Broker } from "../../platform/broker.ts";
import { brokerAt, SERVER, TestServer, until } from "./nats_support.ts";

const utf8 = new TextEncoder();

async function connected(broker: Broker) {
  await until("a connection", () => broker.state().type === "connected");
  return broker.state();
}

Deno.test({
  name: "whoever listens at the moment a connection ends hears over the next one",
  ignore: !SERVER.ok,
  async fn() {
    const servers = [await TestServer.start(), await TestServer.start()];
    const broker = brokerAt(servers.map(({ url }) => url));
    const heard: string[] = [];
    try {
      const state = await connected(broker);
      const used = servers.find(({ url }) => state.type === "connected" && url === state.server)!;
      // Somebody who never answers: the question ends with the connection, a few turns before the loss is told.
      broker.subscribe("kiana.test.silent", () => {});
      const question = { subject: "kiana.test.silent", bytes: utf8.encode("?"), timeoutMs: 60_000 };
      const listen = async () => {
        let turns = 0;
        for (; broker.state().type === "connected"; turns++) {
          broker.subscribe("kiana.test.never", () => {})();
          broker.subscribe(`kiana.test.later.${turns}`, ({ subject }) => void heard.push(subject));
          await Promise.resolve();
        }
        return turns;
      };
      const listened = new Promise<number>((resolve) =>
        broker.request(question, () => resolve(listen()))
      );
      await used.kill();
      const turns = await listened;
      assert.ok(turns > 0, "the loss was told before");
      await connected(broker);
      const subjects = Array.from({ length: turns }, (_, turn) => `kiana.test.later.${turn}`);
      await until("messages over the next server", () => {
        for (const subject of subjects) broker.publish(subject, utf8.encode("here"));
        return subjects.every((subject) => heard.includes(subject));
      });
    } finally {
      await broker.close();
      for (const server of servers) await server.close();
    }
  },
});
