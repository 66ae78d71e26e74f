/**
 * Two real nodes that know nothing of each other but a real nats-server: they hear of each other by presence, keep a session over the
 * broker, share blocks, and go on when the broker is killed and comes back.
 */
import assert from "node:assert/strict";
import { benchContext } from "../../bench/network/bench_nodes.ts";
import { type ChildNode, startChild } from "../../cli/demo/child_node.ts";
import { pairNodes } from "../../cli/demo/pair_nodes.ts";
import { SERVER, TestServer, until } from "../platform/nats_support.ts";

/** No direct path is possible: no QUIC, and WebRTC only by a TURN server that there is not. */
function settings(server: string): string {
  return `[quic]\nenabled = false\n[ice]\nrelayOnly = true\n[portMapping]\nenabled = false\n` +
    `[bridge]\nenabled = "auto"\nnatsServer = "/nonexistent"\nservers = ["${server}"]\n`;
}

async function relayedPeer(node: ChildNode): Promise<boolean> {
  const peers = await node.client.peers();
  return peers.some(({ state, path }) => state === "up" && path === "nats");
}

async function add(node: ChildNode, text: string): Promise<void> {
  const body = new TextEncoder().encode(text);
  const draft = { kind: "put", topic: "notes", tags: [], mediaType: "text/plain", body } as const;
  await node.client.addBlocks([draft], text.replaceAll(" ", "-"));
}

async function has(node: ChildNode, words: string): Promise<boolean> {
  return (await node.client.search({ text: words, limit: 1, offset: 0 })).total > 0;
}

Deno.test({
  name: "two nodes that know only a broker share blocks over it, also after it was killed",
  ignore: !SERVER.ok,
  async fn() {
    const server = await TestServer.start();
    const directory = await Deno.makeTempDir({ prefix: "submind-bridge-" });
    const context = benchContext();
    const nodes = new Map<string, ChildNode>();
    const start = async (name: string): Promise<ChildNode> => {
      const folder = `${directory}/${name}`;
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      await Deno.writeTextFile(`${folder}/config.toml`, settings(server.url));
      // Another port than before: what the pairing told of addresses is of no use any more.
      const node = await startChild(context, {
        name,
        directory: folder,
        multicast: false,
        rendezvousPort: 0,
      });
      nodes.set(name, node);
      return node;
    };
    try {
      await pairNodes(context, await start("first"), await start("second"));
      for (const node of nodes.values()) await node.stop();
      const [first, second] = [await start("first"), await start("second")];
      for (const node of [first, second]) {
        await until(`${node.name} reaches the other by the broker`, () => relayedPeer(node));
        const bridge = await node.client.bridge();
        assert.deepEqual([bridge.state, bridge.server, bridge.present], [
          "connected",
          server.url,
          1,
        ]);
        assert.ok(bridge.messagesReceived > 0);
      }
      await add(first, "roses over the broker");
      await until("the block has crossed", () => has(second, "roses"));

      await server.kill();
      await until("the loss is noticed", async () => {
        return (await first.client.bridge()).state === "disconnected";
      });
      await add(first, "tulips while the broker is dead");
      await add(second, "daisies while the broker is dead");
      await server.start();
      await until(
        "both have everything",
        async () => await has(second, "tulips") && await has(first, "daisies"),
      );
      assert.ok(await relayedPeer(first));
    } finally {
      for (const node of nodes.values()) await node.stop();
      await server.close();
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test({
  name: "a device finds the broker that another device of its home runs, without settings",
  ignore: !SERVER.ok,
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "submind-bridge-" });
    const context = benchContext();
    const nodes: ChildNode[] = [];
    const start = async (name: string, bridge: string): Promise<ChildNode> => {
      const folder = `${directory}/${name}`;
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      const settings = `[portMapping]\nenabled = false\n[bridge]\n${bridge}\n`;
      await Deno.writeTextFile(`${folder}/config.toml`, settings);
      const options = { name, directory: folder, multicast: false, rendezvousPort: 0 };
      const node = await startChild(context, options);
      nodes.push(node);
      return node;
    };
    try {
      const path = SERVER.ok ? SERVER.path : "";
      const first = await start("first", `enabled = "true"\nnatsServer = "${path}"`);
      const second = await start("second", `enabled = "auto"\nnatsServer = "/nonexistent"`);
      assert.deepEqual((await second.client.bridge()).learnedServers, []);
      await pairNodes(context, first, second);
      await until("the second is connected to the first's broker", async () => {
        return (await second.client.bridge()).state === "connected";
      });
      for (const node of [first, second]) {
        await until("both hear of each other over it", async () => {
          return (await node.client.bridge()).present === 1;
        });
      }
      const { server, learnedServers, durable } = await second.client.bridge();
      assert.ok(server !== null && learnedServers.includes(server));
      assert.equal(durable, true);
    } finally {
      for (const node of nodes) await node.stop();
      await Deno.remove(directory, { recursive: true });
    }
  },
});
