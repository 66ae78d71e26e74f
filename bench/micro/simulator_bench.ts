/**
 * Question: how much simulated life fits into a second? Members share blocks over quiet networks; counted are the seconds that all
 * nodes lived through together per real second. Homes of ten devices, each a mesh of its own in one world; and one mesh where everyone
 * talks to everyone. The number of steps follows from the seed: two commits compare exactly.
 */
import { Cluster } from "../../simulation/cluster.ts";
import type { Figure } from "../harness.ts";

/** Virtual time until all members of a home have sessions; not measured. */
const WARM_UP_MS = 8_000;
/** One block of somebody in every home this often, virtual ms. */
const BLOCK_EVERY_MS = 500;

interface Size {
  readonly nodes: number;
  readonly homes: number;
  readonly virtualMs: number;
}

const FULL: readonly Size[] = [
  { nodes: 10, homes: 1, virtualMs: 30_000 },
  { nodes: 100, homes: 10, virtualMs: 8_000 },
  { nodes: 1_000, homes: 100, virtualMs: 1_000 },
  { nodes: 50, homes: 1, virtualMs: 4_000 },
];
const QUICK: readonly Size[] = [
  { nodes: 10, homes: 1, virtualMs: 2_000 },
  { nodes: 20, homes: 2, virtualMs: 2_000 },
];

/** Node-seconds per second, by number of nodes. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of quick ? QUICK : FULL) figures.push(await live(size));
  return figures;
}

async function live({ nodes, homes, virtualMs }: Size): Promise<Figure> {
  const cluster = new Cluster({ seed: "bench" });
  const { world } = cluster;
  const perHome = nodes / homes;
  for (let i = 0; i < nodes; i++) {
    await cluster.addNode({ segment: `home ${Math.floor(i / perHome)}` });
  }
  await world.advance(1_000);
  const homesOf = Array.from(
    { length: homes },
    (_, home) => cluster.nodes.slice(home * perHome, (home + 1) * perHome),
  );
  for (const home of homesOf) await cluster.formMesh("submind", home);
  await world.advance(WARM_UP_MS);

  const stepsBefore = world.steps;
  const startedMs = performance.now();
  for (let lived = 0; lived < virtualMs; lived += BLOCK_EVERY_MS) {
    for (const home of homesOf) cluster.publishLater(home[cluster.random.below(perHome)]!);
    await world.advance(BLOCK_EVERY_MS);
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  const steps = world.steps - stepsBefore;
  const shared = homesOf.every((home) => {
    const [first, ...others] = home.map((node) => node.registry);
    return first !== null && others.every((registry) => registry?.mesh === first?.mesh);
  });
  if (!shared) throw new Error("Cannot measure: the members of a home are not in one mesh");
  return {
    name: `simulator: ${nodes} nodes, ${homes === 1 ? "one mesh" : `homes of ${perHome}`}`,
    value: Math.round(nodes * virtualMs / 1_000 / seconds),
    unit: "node-s/s",
    note: `${virtualMs / 1_000} virtual seconds in ${seconds.toFixed(1)} s, ${steps} steps, ${
      Math.round(steps / seconds)
    } steps/s, one block per home and ${BLOCK_EVERY_MS} ms`,
  };
}
