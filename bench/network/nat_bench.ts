/**
 * Question: do two nodes find each other through every pair of routers, by which way, and after how long? Real nodes in network namespaces, with
 * coturn and a NATS hub between them. Needs root on Linux, nftables, coturn and nats-server; says so when something is missing.
 */
import { measureNatPairs, NAT_PAIRS, type PairResult } from "../../tests/lab/nat_matrix.ts";
import { whyNoNatWorld } from "../../tests/lab/nat_world.ts";
import type { Figure } from "../harness.ts";

/** A figure per pair. `quick` measures two pairs. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const reason = await whyNoNatWorld();
  if (reason !== null) throw new Error(`Cannot measure pairs of routers here: ${reason}`);
  const folder = await Deno.makeTempDir({ prefix: "submind-bench-" });
  try {
    const pairs = quick
      ? NAT_PAIRS.filter(([a, b]) => a === b && a !== "full-cone").slice(0, 2)
      : NAT_PAIRS;
    const results = await measureNatPairs({
      pairs,
      folder,
      onProgress: () => {},
      onResult: () => {},
    });
    return results.map(figureOf);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function figureOf(
  { a, b, connected, path, transport, ms, up_ms, expected, ways }: PairResult,
): Figure {
  if (!connected || ms === null) throw new Error(`Cannot measure: ${a} and ${b} did not connect`);
  const first = up_ms === ms ? "" : `; first session after ${up_ms} ms, ways ${ways.join(", ")}`;
  return {
    name: `nat: ${a} with ${b}`,
    value: ms,
    unit: "ms",
    note: `until the best path is in use: ${path} (${transport}); theory: ${expected}${first}`,
  };
}
