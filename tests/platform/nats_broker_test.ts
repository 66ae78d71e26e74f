/** The NATS adapter keeps the Broker's contract on a real server. */
import type { Broker } from "../../platform/broker.ts";
import { brokerContract } from "../contracts/broker_contract.ts";
import { brokerAt, SERVER, TestServer } from "./nats_support.ts";

brokerContract("nats", async () => {
  const server = await TestServer.start();
  const brokers: Broker[] = [];
  return {
    open() {
      const broker = brokerAt([server.url]);
      brokers.push(broker);
      return Promise.resolve(broker);
    },
    stop: () => server.kill(),
    start: () => server.start(),
    async close() {
      await Promise.all(brokers.map((broker) => broker.close()));
      await server.close();
    },
  };
}, { ignore: !SERVER.ok });
