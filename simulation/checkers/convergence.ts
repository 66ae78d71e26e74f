/** Whether nodes hold the same blocks, payloads and chunks. */
import { chunksOf } from "../../protocols/blocks/body.ts";
import type { SimulatedNode } from "../simulated_node.ts";

/** How `nodes` differ from the first of them, in words; empty when they hold the same. */
export function differences(nodes: readonly SimulatedNode[]): readonly string[] {
  const [first, ...others] = nodes;
  if (first === undefined) return [];
  return others.flatMap((other) => [
    ...differ(first, other, "blocks", blockIds),
    ...differ(first, other, "payloads", payloadIds),
    ...differ(first, other, "chunks", chunkHashes),
  ]);
}

/** True when all hold the same. */
export function converged(nodes: readonly SimulatedNode[]): boolean {
  // Counting is cheap and mostly decides.
  const first = nodes[0]?.disk.tables;
  return nodes.every(({ disk: { tables } }) => tables.blocks.size === first?.blocks.size) &&
    differences(nodes).length === 0;
}

function differ(
  a: SimulatedNode,
  b: SimulatedNode,
  what: string,
  namesOf: (node: SimulatedNode) => ReadonlySet<string>,
): readonly string[] {
  const [ours, theirs] = [namesOf(a), namesOf(b)];
  const missing = [...ours].filter((name) => !theirs.has(name)).length;
  const extra = [...theirs].filter((name) => !ours.has(name)).length;
  if (missing === 0 && extra === 0) return [];
  return [`${b.name} lacks ${missing} ${what} of ${a.name} and has ${extra} more`];
}

function blockIds(node: SimulatedNode): ReadonlySet<string> {
  return new Set(node.disk.tables.blocks.keys());
}

function payloadIds(node: SimulatedNode): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const [id, { block }] of node.disk.tables.blocks) if (block.payload !== null) ids.add(id);
  return ids;
}

/** Chunks that some block names. Others are what a crash left between a body's chunks and its block: nobody was told of them. */
function chunkHashes(node: SimulatedNode): ReadonlySet<string> {
  const { blocks, chunks } = node.disk.tables;
  const named = new Set<string>();
  for (const { block } of blocks.values()) {
    if (block.payload === null) continue;
    for (const { hash } of chunksOf(block.header, block.payload)) {
      if (chunks.has(hash)) named.add(hash);
    }
  }
  return named;
}
