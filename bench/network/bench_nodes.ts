/** Real nodes as processes of their own, started and paired through their HTTP API as the demo does, for benches of whole nodes. */
import pc from "picocolors";
import { type ChildNode, startChild } from "../../cli/demo/child_node.ts";
import { pairNodes } from "../../cli/demo/pair_nodes.ts";
import type { CommandContext } from "../../cli/command.ts";
import { createOutput } from "../../cli/output/output.ts";
import type { Terminal } from "../../cli/output/terminal.ts";
import { textsOf } from "../../cli/texts.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";

const SILENT: Terminal = {
  out() {},
  outBytes() {},
  err() {},
  errRaw() {},
  outIsTerminal: false,
  errIsTerminal: false,
  inIsTerminal: false,
  colors: pc.createColors(false),
  width: 80,
  rows: 24,
};

/** What the helpers of the command line want to know of the world. */
export function benchContext(): CommandContext {
  return {
    output: createOutput(SILENT, true),
    texts: textsOf("en"),
    language: "en",
    clock: systemClock(),
    random: systemRandom(),
    environment: Deno.env.toObject(),
    dataArgument: undefined,
    interrupted: new AbortController().signal,
  };
}

/** Starts a node in its own folder under `directory`. */
export function startNamed(
  context: CommandContext,
  directory: string,
  options: { readonly name: string; readonly multicast: boolean },
): Promise<ChildNode> {
  return startChild(context, {
    ...options,
    directory: `${directory}/${options.name}`,
    rendezvousPort: 0,
  });
}

/** Two nodes of one mesh that found each other by the invite alone: no multicast. The caller stops them. */
export async function pairedNodes(
  context: CommandContext,
  directory: string,
): Promise<readonly [ChildNode, ChildNode]> {
  const started: ChildNode[] = [];
  try {
    for (const name of ["first", "second"]) {
      started.push(await startNamed(context, directory, { name, multicast: false }));
    }
    const [first, second] = started as [ChildNode, ChildNode];
    await pairNodes(context, first, second);
    return [first, second];
  } catch (error) {
    for (const node of started) await node.stop();
    throw error;
  }
}
