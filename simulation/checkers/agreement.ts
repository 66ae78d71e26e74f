/** Whether nodes agree on who belongs to the mesh and on every author's newest block. */
import type { Registry } from "../../protocols/registry/registry.ts";
import { sha256Hex } from "../../store/hash.ts";
import type { SimulatedNode } from "../simulated_node.ts";

/** Where nodes disagree with the first of them, in words; empty when they agree. */
export function disagreements(nodes: readonly SimulatedNode[]): readonly string[] {
  const [first, ...others] = nodes;
  if (first === undefined) return [];
  const registry = registryText(first);
  const heads = headsText(first);
  return others.flatMap((node) => [
    ...(registryText(node) === registry
      ? []
      : [`${node.name} and ${first.name}: registry differs`]),
    ...(headsText(node) === heads ? [] : [`${node.name} and ${first.name}: heads differ`]),
  ]);
}

function registryText(node: SimulatedNode): string {
  const { registry } = node;
  if (registry === null) return "none";
  const known = registryTexts.get(registry);
  if (known !== undefined) return known;
  const members = [...registry.members.values()]
    .map((member) => [
      member.deviceId,
      member.displayName,
      member.role,
      [...member.permissions].sort(),
      member.trust,
      member.revoked,
      member.validUpToSequence,
      member.incarnation,
      member.version,
    ])
    .sort(([a], [b]) => String(a) < String(b) ? -1 : 1);
  const text = JSON.stringify([registry.mesh, registry.founder, members, registry.heads]);
  const digest = sha256Hex(new TextEncoder().encode(text));
  registryTexts.set(registry, digest);
  return digest;
}

const registryTexts = new WeakMap<Registry, string>();

function headsText(node: SimulatedNode): string {
  const heads = [...node.disk.tables.logs].map(([author, log]) => [author, log.length, log.at(-1)]);
  return JSON.stringify(heads.sort(([a], [b]) => String(a) < String(b) ? -1 : 1));
}
