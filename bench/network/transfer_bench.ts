/**
 * Question: how fast do blocks get from one device to another? Two real nodes in processes of their own, paired through
 * their API, WebRTC on loopback: the second one was away while the first made many blocks, comes back and catches up.
 * Beside it, in the same run, the bare data channel between two processes, which is the limit.
 */
import type { ChildNode } from "../../cli/demo/child_node.ts";
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import type { Figure } from "../harness.ts";
import { benchContext, pairedNodes } from "./bench_nodes.ts";
import { startChild } from "../../cli/demo/child_node.ts";

const BODY_BYTES = 1_024;
const DRAFTS_PER_CALL = 100;
const POLL_MS = 20;
const TIMEOUT_MS = 120_000;

/** Blocks and megabytes a second, publishing and catching up. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const count = quick ? 500 : 10_000;
  const directory = await Deno.makeTempDir({ prefix: "submind-bench-" });
  const context = benchContext();
  const nodes: ChildNode[] = [];
  try {
    const [first, second] = await pairedNodes(context, directory);
    nodes.push(first, second);
    await second.client.addPeer(`http://127.0.0.1:${first.rendezvousPort}`);
    await second.stop();

    const publishMs = await publish(first, count);
    const wanted = (await first.client.status()).blocks;
    const returned = await startChild(context, second.options);
    nodes.push(returned);
    const { seconds, blocks } = await catchUp(returned, wanted);

    const bare = await bareChannel(quick);
    const megabytes = blocks * BODY_BYTES / 1e6 / seconds;
    return [
      {
        name: "transfer: published through the API",
        value: Math.round(count / publishMs * 1_000),
        unit: "blocks/s",
        note: `${count} blocks of 1 KiB, ${DRAFTS_PER_CALL} in a call, one call after another`,
      },
      {
        name: "transfer: blocks received, verified and stored",
        value: Math.round(blocks / seconds),
        unit: "blocks/s",
        note: `${blocks} blocks in ${seconds.toFixed(2)} s; both nodes share this machine`,
      },
      {
        name: "transfer: bodies received",
        value: megabytes,
        unit: "MB/s",
        ...(bare?.limit === undefined || bare.limit === null
          ? {}
          : { limit: bare.limit, ratio: megabytes / bare.limit }),
        note: "limit: the bare data channel in the same run, 64 KB messages",
      },
    ];
  } finally {
    for (const node of nodes) await node.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

/** The figure of the bare data channel, from a process of its own: the WebRTC library does not start a second time in one. */
async function bareChannel(quick: boolean): Promise<Figure | undefined> {
  const main = new URL("../main.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", main, "--only", "webrtc", "--json", ...(quick ? ["--quick"] : [])],
    stderr: "inherit",
  }).output();
  const lines = new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("{"));
  const figures = lines.map((line) => JSON.parse(line) as Figure);
  return figures.find(({ name }) => name === "session throughput");
}

/** Adds `count` notes; milliseconds it took. */
async function publish(node: ChildNode, count: number): Promise<number> {
  const startedMs = performance.now();
  for (let from = 0; from < count; from += DRAFTS_PER_CALL) {
    const drafts = Array.from(
      { length: Math.min(DRAFTS_PER_CALL, count - from) },
      (_, i) => draft(from + i),
    );
    await node.client.addBlocks(drafts, `bench-${from}`);
  }
  return performance.now() - startedMs;
}

function draft(number: number): BlockDraft {
  const body = new Uint8Array(BODY_BYTES).fill(number);
  new DataView(body.buffer).setUint32(0, number);
  return { kind: "put", topic: "bench", tags: [], mediaType: "application/octet-stream", body };
}

/** From the first block that was seen to have come until all are stored. */
async function catchUp(
  node: ChildNode,
  wanted: number,
): Promise<{ readonly seconds: number; readonly blocks: number }> {
  const begin = performance.now();
  const before = (await node.client.status()).blocks;
  let startedMs = performance.now();
  while (true) {
    const beforeMs = performance.now();
    const { blocks } = await node.client.status();
    if (blocks === before) startedMs = beforeMs;
    if (blocks >= wanted) {
      return { seconds: (performance.now() - startedMs) / 1_000, blocks: blocks - before };
    }
    if (performance.now() - begin > TIMEOUT_MS) {
      throw new Error(`Cannot measure: ${blocks} of ${wanted} blocks after ${TIMEOUT_MS} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
