/** Sensors and members at one broker: a real server that keeps them apart. */
import assert from "node:assert/strict";
import { brokerAt, SERVER, until } from "../platform/nats_support.ts";
import { device, inFolder, isUp, keep, settle, TAG, utf8, withLeaf } from "./nats_leaf_support.ts";

Deno.test({
  name:
    "what sensors say is for the device that they log in at: no other member speaks for them, hears them or takes it away",
  ignore: !SERVER.ok,
  fn: () =>
    inFolder(async (folder) => {
      const [alice, bob] = [device("alice"), device("bob")];
      await withLeaf(
        { access: { tag: TAG, members: [alice, bob], sensors: [] }, folder },
        async (leaf) => {
          const a = brokerAt(() => leaf.servers(), { login: alice.login });
          const b = brokerAt(() => leaf.servers(), { login: bob.login });
          await until("both are in", () => isUp(a) && isUp(b));
          const subject = `kiana.${TAG}.sensor.attic`;
          const [heard, stolen]: [string[], string[]] = [[], []];
          a.collect({ subject: `kiana.${TAG}.sensor.>`, name: "sensors-alice" }, (message) => {
            heard.push(new TextDecoder().decode(message.bytes));
            message.acknowledge();
          });
          b.subscribe(`kiana.${TAG}.sensor.>`, () => stolen.push("heard"));
          for (const name of ["sensors-alice", "sensors-bob"]) {
            b.collect({ subject: `kiana.${TAG}.sensor.>`, name }, (message) => {
              stolen.push(name);
              message.acknowledge();
            });
          }
          await settle(b);
          await until(
            "the stream is there",
            async () => (await keep(a, subject, "21.5")).type === "kept",
          );
          b.publish(subject, utf8.encode("99"));
          await settle(b);
          assert.equal((await keep(a, subject, "21.6")).type, "kept");
          await until("alice has both", () => heard.includes("21.6"));
          assert.deepEqual([heard, stolen], [["21.5", "21.6"], []]);
          await a.close();
          await b.close();
        },
      );
    }),
});
