/** What nodes cost that have nothing to do. */
import assert from "node:assert/strict";
import type { LabNode } from "./mesh_lab.ts";
import { figuresOf } from "./process_figures.ts";

/** Watches for some seconds what nodes cost that have nothing to do. */
export async function idle(nodes: readonly LabNode[]): Promise<void> {
  const windowMs = 5_000;
  const before = await Promise.all(nodes.map(({ ready }) => figuresOf(ready.pid)));
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  const after = await Promise.all(nodes.map(({ ready }) => figuresOf(ready.pid)));
  for (const [index, { name }] of nodes.entries()) {
    const [then, now] = [before[index]!, after[index]!];
    const cpu = (now.cpuMs - then.cpuMs) / windowMs * 100;
    const packets = (now.packets - then.packets) * 1_000 / windowMs;
    const kib = (now.bytes - then.bytes) * 1_000 / windowMs / 1_024;
    console.log(
      `${name} idle: ${cpu.toFixed(1)} % of a core, ${packets.toFixed(0)} packets/s (${
        kib.toFixed(1)
      } KiB/s) in and out, ` +
        `${
          now.residentMiB.toFixed(0)
        } MiB, ${now.udpSockets} UDP sockets, ${now.tcpConnections} TCP connections`,
    );
    assert(cpu < 10, `${name} takes ${cpu} % of a core while idle`);
    assert(packets < 60, `${name} sees ${packets} packets/s while idle`);
  }
}
