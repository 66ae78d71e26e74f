/** Real nats-servers die, stand still and come back under the adapter; logins are refused; files vanish. */
import assert from "node:assert/strict";
import { createUser, fromPublic } from "@nats-io/nkeys";
import type { Broker, BrokerState, KeepOutcome } from "../../platform/broker.ts";
import { publicKeyOfNkey, userNkey } from "../../platform/nats_broker_nkey.ts";
import { parseServerAddress } from "../../platform/nats_broker_servers.ts";
import { brokerAt, SERVER, soon, TestServer, until } from "./nats_support.ts";
import { stretched } from "../busy_machine.ts";

const utf8 = new TextEncoder();
const ignore = !SERVER.ok;

async function stateOf(broker: Broker, type: BrokerState["type"]): Promise<BrokerState> {
  await until(`state ${type}`, () => broker.state().type === type);
  return broker.state();
}

function keep(broker: Broker, messageId: string): Promise<KeepOutcome> {
  const message = { subject: "kiana.test.mail.x", messageId, bytes: utf8.encode(messageId) };
  return new Promise((resolve) => broker.keep(message, resolve));
}

/** A login with a key that NATS's own library made. */
function login() {
  const pair = createUser();
  const publicKey = publicKeyOfNkey(pair.getPublicKey());
  assert.ok(publicKey !== undefined);
  return {
    nkey: pair.getPublicKey(),
    login: { publicKey, sign: (nonce: Uint8Array) => pair.sign(nonce) },
  };
}

Deno.test("nkeys are written as NATS's own library writes them", () => {
  for (let round = 0; round < 50; round++) {
    const nkey = createUser().getPublicKey();
    const key = publicKeyOfNkey(nkey);
    assert.ok(key !== undefined);
    assert.equal(userNkey(key), nkey);
    assert.equal(fromPublic(userNkey(key)).getPublicKey(), nkey);
    const changed = nkey.slice(0, -1) + (nkey.endsWith("A") ? "B" : "A");
    assert.equal(publicKeyOfNkey(changed), undefined);
  }
  for (const text of ["", "U", `A${"A".repeat(55)}`, "x".repeat(56)]) {
    assert.equal(publicKeyOfNkey(text), undefined);
  }
});

Deno.test("server addresses are read strictly", () => {
  const { url: _, ...plain } = parseServerAddress("nats://10.0.0.1:4333")!;
  assert.deepEqual(plain, { hostname: "10.0.0.1", port: 4333, tls: false });
  assert.equal(parseServerAddress("tls://relay.example.org")?.port, 4222);
  assert.equal(parseServerAddress("nats://[::1]:1")?.hostname, "::1");
  for (
    const wrong of [
      "",
      "http://a:1",
      "nats://a:0",
      "nats://a:65536",
      "nats://u:p@a:1",
      "nats://a:1/x",
      "nats://",
    ]
  ) assert.equal(parseServerAddress(wrong), undefined, wrong);
});

Deno.test({
  name: "when a server is killed the next one is used in less than three seconds",
  ignore,
  async fn() {
    const servers = [await TestServer.start(), await TestServer.start(), await TestServer.start()];
    const broker = brokerAt(servers.map((server) => server.url));
    const heard: string[] = [];
    broker.subscribe("kiana.test.x", ({ bytes }) => heard.push(new TextDecoder().decode(bytes)));
    for (let round = 0; round < 2; round++) {
      const state = await stateOf(broker, "connected");
      const used = servers.find((server) =>
        state.type === "connected" && server.url === state.server
      );
      assert.ok(used !== undefined);
      const changes: BrokerState[] = [];
      const unwatch = broker.watch((change) => changes.push(change));
      const startedMs = performance.now();
      await used.kill();
      await until("it is connected again", () => changes.at(-1)?.type === "connected");
      const tookMs = performance.now() - startedMs;
      assert.ok(tookMs < stretched(3_000), `${tookMs} ms`);
      assert.equal(changes[0]?.type, "disconnected");
      unwatch();
      const next = broker.state();
      assert.ok(next.type === "connected" && next.server !== used.url);
      assert.ok(broker.publish("kiana.test.x", utf8.encode(`round ${round}`)));
      await until("it is heard", () => heard.at(-1) === `round ${round}`);
    }
    await broker.close();
    for (const server of servers) await server.close();
  },
});

Deno.test({
  name: "a server that becomes known while another one keeps silent is used at once",
  ignore,
  async fn() {
    const server = await TestServer.start();
    // Like a host behind somebody else's router: the knock is never answered.
    const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const silentUrl = `nats://127.0.0.1:${(silent.addr as Deno.NetAddr).port}`;
    let servers = [silentUrl];
    const broker = brokerAt(() => servers);
    const problems: string[] = [];
    broker.watch((state) => state.type === "disconnected" && problems.push(state.reason));
    const knocking = await silent.accept();
    servers = [silentUrl, server.url];
    await stateOf(broker, "connected");
    assert.deepEqual(problems, [], "the silent one was not waited for");
    await broker.close();
    knocking.close();
    silent.close();
    await server.close();
  },
});

Deno.test({
  name: "a server that stands still with its connections open is left in less than three seconds",
  ignore,
  async fn() {
    const [first, second] = [await TestServer.start(), await TestServer.start()];
    let servers = [first.url];
    const broker = brokerAt(() => servers);
    await stateOf(broker, "connected");
    servers = [first.url, second.url];
    broker.subscribe("kiana.test.x", () => {});
    first.freeze(true);
    const startedMs = performance.now();
    let answer = "";
    broker.request(
      { subject: "kiana.test.x", bytes: utf8.encode("?"), timeoutMs: 60_000 },
      (reply) => {
        answer = reply.type;
      },
    );
    await stateOf(broker, "disconnected");
    assert.equal(answer, "failed");
    const state = await stateOf(broker, "connected");
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < stretched(3_000), `${tookMs} ms`);
    assert.ok(state.type === "connected" && state.server === second.url);
    first.freeze(false);
    await broker.close();
    await first.close();
    await second.close();
  },
});

Deno.test({
  name: "a server that is busy with us is not taken for a dead one, and a full buffer says no",
  ignore,
  async fn() {
    const server = await TestServer.start();
    const a = brokerAt([server.url]);
    await stateOf(a, "connected");
    let lost = 0;
    a.watch(() => lost += 1);
    let refused = 0;
    const block = new Uint8Array(512 * 1024);
    const startedMs = performance.now();
    while (performance.now() - startedMs < 2_500) {
      if (!a.publish("kiana.test.bulk", block)) {
        refused += 1;
        await soon(1);
      }
      assert.ok(a.bufferedBytes() <= 8 * 1024 * 1024 + 1_024);
    }
    assert.ok(refused > 0);
    await until("everything has left", () => a.bufferedBytes() === 0);
    assert.equal(lost, 0);
    await a.close();
    await server.close();
  },
});

Deno.test({
  name: "only keys that the server knows come in; a refusal ends nothing but the attempt",
  ignore,
  async fn() {
    const [known, stranger] = [login(), login()];
    const server = await TestServer.start(
      `accounts { M { jetstream: enabled, users: [ { nkey: ${known.nkey} } ] } }\n`,
    );
    const inside = brokerAt([server.url], { login: known.login });
    await stateOf(inside, "connected");
    const outside = brokerAt([server.url], { login: stranger.login });
    const nobody = brokerAt([server.url]);
    for (const broker of [outside, nobody]) {
      await until("it was refused", () => reason(broker) !== "not connected yet");
      const state = broker.state();
      assert.ok(
        state.type === "disconnected" && /authorization/i.test(state.reason),
        JSON.stringify(state),
      );
    }
    // Again and again: a refused login once leaked an error that ended the process.
    for (let round = 0; round < 30; round++) {
      const again = brokerAt([server.url], { login: stranger.login });
      await until("it was refused", () => reason(again) !== "not connected yet");
      await again.close();
    }
    assert.equal((await keep(inside, "one")).type, "kept");
    for (const broker of [inside, outside, nobody]) await broker.close();
    await server.close();
  },
});

function reason(broker: Broker): string {
  const state = broker.state();
  return state.type === "disconnected" ? state.reason : "";
}

Deno.test({
  name: "without JetStream nothing is kept, and everything else works",
  ignore,
  async fn() {
    const server = await TestServer.start("# no jetstream\n");
    const broker = brokerAt([server.url]);
    const state = await stateOf(broker, "connected");
    assert.ok(state.type === "connected" && !state.durable);
    assert.equal((await keep(broker, "one")).type, "refused");
    const end = broker.collect({ subject: "kiana.test.mail.x", name: "x" }, () => assert.fail());
    end();
    await broker.close();
    await server.close();
  },
});

Deno.test({
  name:
    "hubs that do not say yet whether they keep mail are asked again, and refuse nothing meanwhile",
  ignore,
  async fn() {
    const server = await TestServer.start("# no jetstream\n");
    // Stands in for JetStream: silent as while a leader is being chosen, then with a word for whoever asks.
    const hub = brokerAt([server.url], { name: "hub" });
    await stateOf(hub, "connected");
    let chosen = false;
    hub.subscribe("$JS.API.INFO", ({ replyTo }) => {
      if (!chosen || replyTo === null) return;
      const info = {
        type: "io.nats.jetstream.api.v1.account_info_response",
        ...{ memory: 0, storage: 0, streams: 0, consumers: 0 },
        limits: { max_memory: -1, max_storage: -1, max_streams: -1, max_consumers: -1 },
        api: { total: 0, errors: 0 },
      };
      hub.publish(replyTo, utf8.encode(JSON.stringify(info)));
    });
    // The server knows of the subscription when it has answered a question that came later.
    await new Promise((resolve) =>
      hub.request({ subject: "kiana.settled", bytes: new Uint8Array(), timeoutMs: 5_000 }, resolve)
    );
    const broker = brokerAt([server.url]);
    const states: boolean[] = [];
    broker.watch((state) => {
      if (state.type === "connected") states.push(state.durable);
    });
    await until("connected without mail", () => states.length === 1);
    assert.deepEqual(states, [false]);
    // "refused" would be for good: its sender would not offer the message again.
    assert.equal((await keep(broker, "early")).type, "failed");
    chosen = true;
    await until("mail is found", () => states.at(-1) === true);
    assert.deepEqual(states, [false, true]);
    await broker.close();
    await hub.close();
    await server.close();
  },
});

Deno.test({
  name: "a full mail box refuses and keeps what it has",
  ignore,
  async fn() {
    const server = await TestServer.start();
    const mailLimits = { bytesMax: 1_000_000, perSubjectMax: 5, ageMsMax: 60_000 };
    const broker = brokerAt([server.url], { mailLimits });
    await stateOf(broker, "connected");
    const outcomes: string[] = [];
    for (let index = 0; index < 8; index++) outcomes.push((await keep(broker, `m${index}`)).type);
    assert.deepEqual(outcomes, [...Array(5).fill("kept"), ...Array(3).fill("refused")]);
    const got: string[] = [];
    broker.collect({ subject: "kiana.test.mail.x", name: "x" }, (message) => {
      got.push(new TextDecoder().decode(message.bytes));
      message.acknowledge();
    });
    await until("all five came", () => got.length === 5);
    assert.deepEqual(got, ["m0", "m1", "m2", "m3", "m4"]);
    await broker.close();
    await server.close();
  },
});

Deno.test({
  name: "when a broker loses all its files, streams and receivers are made anew and go on",
  ignore,
  async fn() {
    const server = await TestServer.start();
    const broker = brokerAt([server.url]);
    await stateOf(broker, "connected");
    const got: string[] = [];
    broker.collect({ subject: "kiana.test.mail.x", name: "x" }, (message) => {
      got.push(new TextDecoder().decode(message.bytes));
      message.acknowledge();
    });
    assert.equal((await keep(broker, "before")).type, "kept");
    await until("it came", () => got.includes("before"));
    await server.kill();
    await Deno.remove(`${server.folder}/js`, { recursive: true });
    await stateOf(broker, "disconnected");
    await server.start();
    await stateOf(broker, "connected");
    assert.equal((await keep(broker, "after")).type, "kept");
    await until("it came", () => got.includes("after"));
    await broker.close();
    await server.close();
  },
});

Deno.test({
  name: "a nearer server is moved to when it is back",
  ignore,
  async fn() {
    // One of them is reached through a detour that takes its time.
    const [far, near] = [await TestServer.start(), await TestServer.start()];
    const detour = await slowRelay(far.port, 40);
    let servers = [detour.url];
    const broker = brokerAt(() => servers, { reconsiderMs: 200 });
    const first = await stateOf(broker, "connected");
    assert.ok(first.type === "connected" && first.server === detour.url);
    servers = [detour.url, near.url];
    await until("it moved", () => {
      const state = broker.state();
      return state.type === "connected" && state.server === near.url;
    });
    await broker.close();
    await detour.close();
    await far.close();
    await near.close();
  },
});

/** Passes TCP on with a delay, under a name of this machine that does not look like it. */
async function slowRelay(port: number, delayMs: number) {
  const hostname = Deno.hostname();
  const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const open = new Set<Deno.Conn>();
  const accepting = (async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      for (const connection of [client, server]) open.add(connection);
      pump(client, server);
      pump(server, client);
    }
  })();
  async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const bytes = new Uint8Array(65_536);
    try {
      for (let count = await from.read(bytes); count !== null; count = await from.read(bytes)) {
        await soon(delayMs);
        await to.write(bytes.slice(0, count));
      }
    } catch {
      // Either side ended: so does the other.
    }
    for (const connection of [from, to]) if (open.delete(connection)) connection.close();
  }
  await Promise.resolve();
  return {
    url: `nats://${hostname}:${listener.addr.port}`,
    async close() {
      listener.close();
      for (const connection of open) connection.close();
      open.clear();
      await accepting;
    },
  };
}
