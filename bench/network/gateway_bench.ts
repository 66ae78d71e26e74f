/**
 * What does the gateway cost? Requests a second through it (authentication, limits, validation, metrics), beside a bare
 * Hono route with the same answer in the same run: the difference is ours. No socket and no store: what those cost is
 * measured elsewhere.
 */
import { Hono } from "hono";
import type { Figure } from "../harness.ts";
import { createApp } from "../../gateway/app.ts";
import { openTokens, OWNER } from "../../gateway/tokens.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { fakeNode } from "../../tests/gateway/fake_node.ts";

const ROUNDS = 5;
const BLOCKS = 200;

const clock = systemClock();
const random = systemRandom();

interface Fetcher {
  fetch(request: Request): Response | Promise<Response>;
}

/** Requests a second: the best of several rounds, since everything that disturbs only makes a round slower. */
async function requestsPerSecond(
  app: Fetcher,
  request: () => Request,
  requestsPerRound: number,
): Promise<number> {
  let bestMs = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = performance.now();
    for (let n = 0; n < requestsPerRound; n++) {
      const response = await app.fetch(request());
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`Cannot measure: status is ${response.status}`);
    }
    bestMs = Math.min(bestMs, performance.now() - startedMs);
  }
  return requestsPerRound / (bestMs / 1_000);
}

/** Measures health, status, a page of blocks, and adding one, each beside a bare route that answers the same bytes. */
export async function run({ quick }: { quick: boolean }): Promise<Figure[]> {
  const requests = quick ? 50 : 1_000;
  const directory = await Deno.makeTempDir({ prefix: "submind-bench-" });
  const node = fakeNode();
  const tokens = await openTokens({ directory, clock, random });
  const gateway = createApp({
    node,
    tokens,
    clock,
    random,
    log: { write: () => {} },
    limits: { ownerRequestsPerMinute: 100_000_000, strangerRequestsPerMinute: 100_000_000 },
  });
  try {
    const token = await tokens.mint({ subject: OWNER, scope: "full", validMs: 3_600_000 });
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const note = JSON.stringify({ topic: "notes", text: "White clover feeds bees. ".repeat(20) });
    const get = (path: string) => () => new Request(`http://localhost${path}`, { headers });
    const post = () =>
      new Request("http://localhost/v1/blocks", { method: "POST", headers, body: note });
    for (let n = 0; n < BLOCKS; n++) await (await gateway.app.fetch(post())).arrayBuffer();

    const cases = {
      "health": get("/healthz"),
      "status": get("/v1/status"),
      "page of 50 blocks": get("/v1/blocks?limit=50"),
      "one block": get(`/v1/blocks/${(await node.blocks({ limit: 1 })).blocks[0]?.id}`),
      // Last: it makes the list longer, which the others would notice.
      "add a 500 byte note": post,
    };
    const figures: Figure[] = [];
    for (const [name, request] of Object.entries(cases)) {
      const text = await (await gateway.app.fetch(request())).text();
      const bare = new Hono();
      const answer = () => new Response(text, { headers: { "Content-Type": "application/json" } });
      bare.all("*", async (c) => {
        if (c.req.method === "POST") await c.req.json();
        return answer();
      });
      const limit = await requestsPerSecond(bare, request, requests);
      const value = await requestsPerSecond(gateway.app, request, requests);
      figures.push({
        name: `gateway: ${name}`,
        value: Math.round(value),
        unit: "requests/s",
        limit: Math.round(limit),
        ratio: value / limit,
        note: "limit: a bare Hono route with the same answer, same run, no socket",
      });
    }
    return figures;
  } finally {
    gateway.close();
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) console.table(await run({ quick: Deno.args.includes("--quick") }));
