/** The relay tier on real servers: three hubs, two homes behind leaves, a device on the road; hubs die while messages flow. */
import assert from "node:assert/strict";
import type { Broker } from "../../platform/broker.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { startLeaf } from "../../deployments/nats/leaf.ts";
import { userNkey } from "../../platform/nats_broker_nkey.ts";
import { brokerAt, SERVER, soon, until } from "../platform/nats_support.ts";
import {
  device,
  inFolder,
  isUp,
  keep,
  SETTINGS,
  settle,
  silent,
  TAG,
  utf8,
} from "./nats_leaf_support.ts";
import { Hubs, labPlan, monitoring, nkeyPair } from "./nats_relay_support.ts";
import { stretched } from "../busy_machine.ts";

const ignore = !SERVER.ok;
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Collects a device's mail. */
function mailOf(broker: Broker, name: string): Map<string, number> {
  const got = new Map<string, number>();
  broker.collect({ subject: `kiana.${TAG}.mail.${name}`, name }, (message) => {
    const text = textOf(message.bytes);
    got.set(text, (got.get(text) ?? 0) + 1);
    message.acknowledge();
  });
  return got;
}

Deno.test({
  name:
    "two homes behind leaves are one mesh over the hubs, and a leaf may not change the hubs' streams",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const [admin, home, office] = [nkeyPair(), nkeyPair(), nkeyPair()];
      const plan = labPlan({
        folder,
        count: 1,
        sites: [{ name: "home", nkey: home.nkey }, { name: "office", nkey: office.nkey }],
        devices: [],
        adminNkey: admin.nkey,
      });
      const hubs = new Hubs(plan, folder);
      await hubs.start();
      assert.equal(await hubs.makeStreams(admin.seed), 1);
      const leaves = [];
      const brokers: Broker[] = [];
      for (const [index, site] of [home, office].entries()) {
        const who = device(index === 0 ? "alice" : "bob");
        const seedFile = `${folder}/site-${index}.seed`;
        await Deno.writeTextFile(seedFile, `${site.seed}\n`);
        const outcome = await startLeaf({
          self: who.device,
          settings: { ...SETTINGS, hubs: hubs.urls("leaf"), hubCredentials: seedFile },
          dataDirectory: `${folder}/node-${index}`,
          environment: {},
          access: { tag: TAG, members: [who], sensors: [] },
          clock: systemClock(),
          log: silent,
        });
        assert.ok(outcome.type === "started");
        leaves.push(outcome.leaf);
        brokers.push(
          brokerAt(() => outcome.leaf.servers(), { login: who.login, mailDomain: "hub" }),
        );
      }
      const [alice, bob] = brokers;
      assert.ok(alice !== undefined && bob !== undefined);
      await until("both are in", () => brokers.every(isUp));
      const [hub] = plan.hubs;
      assert.ok(hub !== undefined);
      await until(
        "both leaves are linked",
        async () => Number((await monitoring(hub, "leafz"))?.["leafnodes"]) === 2,
      );
      const heard: string[] = [];
      bob.subscribe(`kiana.${TAG}.node.bob.in`, (message) => heard.push(textOf(message.bytes)));
      await settle(bob);
      await until("the first word arrives", () => {
        alice.publish(`kiana.${TAG}.node.bob.in`, utf8.encode("hello"));
        return heard.length > 0;
      });
      const got = mailOf(bob, "bob");
      await until(
        "mail is kept",
        async () => (await keep(alice, `kiana.${TAG}.mail.bob`, "letter")).type === "kept",
      );
      await until("it came", () => got.has("letter"));
      const [leaf] = leaves;
      await until("the link's subscriptions are there", async () => {
        // Administration of the hubs from a home: refused by both ends, so nobody answers.
        const { type } = await new Promise<{ type: string }>((resolve) =>
          alice.request({
            subject: "$JS.hub.API.STREAM.DELETE.mail",
            bytes: new Uint8Array(),
            timeoutMs: 500,
          }, resolve)
        );
        return type !== "reply";
      });
      assert.equal((await monitoring(hub, "jsz"))?.["streams"], 1);
      assert.equal(leaf?.view().restarts, 0);
      // Readings of sensors stay at home.
      assert.equal((await keep(alice, `kiana.${TAG}.sensor.kitchen.t`, "21")).type, "kept");
      assert.equal((await monitoring(hub, "jsz"))?.["messages"], 0);
      for (const broker of brokers) await broker.close();
      for (const one of leaves) await one.stop();
      await hubs.close();
    }),
});

Deno.test({
  name:
    "the leading hub is killed while mail flows: another is used within three seconds, nothing kept is lost",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const admin = nkeyPair();
      const [sender, receiver] = [device("sender"), device("receiver")];
      const plan = labPlan({
        folder,
        count: 3,
        sites: [],
        devices: [sender, receiver].map(({ brokerKey }) => userNkey(brokerKey)),
        adminNkey: admin.nkey,
      });
      const hubs = new Hubs(plan, folder);
      await hubs.start();
      assert.equal(await hubs.makeStreams(admin.seed), 3);
      const leader = await hubs.leader();
      const all = hubs.urls("client");
      const led = all[plan.hubs.findIndex(({ name }) => name === leader)] ?? "";
      // Both begin at the leader, so that it takes their connections with it.
      let servers: readonly string[] = [led];
      const a = brokerAt(() => servers, { login: sender.login });
      const b = brokerAt(() => servers, { login: receiver.login });
      await until("both are in", () => isUp(a) && isUp(b));
      servers = all;
      const got = mailOf(b, "receiver");
      const acknowledged: string[] = [];
      const reasons = new Map<string, number>();
      let sent = 0;
      let flowing = true;
      const flow = (async () => {
        while (flowing) {
          const batch = Array.from({ length: 32 }, () => `m${sent++}`);
          for (const id of batch) {
            keep(a, `kiana.${TAG}.mail.receiver`, id).then((outcome) => {
              if (outcome.type === "kept") acknowledged.push(id);
              else reasons.set(outcome.reason, (reasons.get(outcome.reason) ?? 0) + 1);
            });
          }
          await soon(20);
        }
      })();
      await until("mail flows", () => acknowledged.length > 500);
      const changes: { type: string; atMs: number }[] = [];
      a.watch(({ type }) => changes.push({ type, atMs: performance.now() }));
      const killedMs = performance.now();
      await hubs.kill(leader);
      await until("the sender is elsewhere", () => changes.at(-1)?.type === "connected");
      const failoverMs = (changes.at(-1)?.atMs ?? Infinity) - killedMs;
      assert.ok(failoverMs < stretched(3_000), `fail-over took ${failoverMs} ms`);
      const before = acknowledged.length;
      // An election takes 5 s on a quiet machine and much longer on a busy one; that is JetStream's, not ours.
      await until("mail flows again", () => acknowledged.length > before + 500, 120_000);
      const gapMs = performance.now() - killedMs;
      flowing = false;
      await flow;
      await until("every acknowledged message came", () =>
        acknowledged.every((id) => got.has(id)), 90_000);
      console.log(
        `fail-over ${failoverMs.toFixed(0)} ms, mail flowed again after ${gapMs.toFixed(0)} ms; ` +
          `${acknowledged.length} acknowledged, ${got.size} received, lost 0; not taken:`,
        reasons,
      );
      await a.close();
      await b.close();
      await hubs.close();
    }),
});
