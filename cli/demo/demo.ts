/** `submind demo`: three devices on this machine, and what happens to the documents that are added on one of them. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errorText } from "../../platform/error_text.ts";
import type { CommandContext } from "../command.ts";
import { CliError, EXIT, type ExitCode } from "../exit_codes.ts";
import { formatPairs } from "../output/table.ts";
import type { ChildNode } from "./child_node.ts";
import { runStory } from "./run_story.ts";
import { Story } from "./story.ts";

export interface DemoArguments {
  readonly once: boolean;
  readonly docs: string | undefined;
  readonly keep: boolean;
  readonly noMulticast: boolean;
}

/** Runs the demo. */
export async function runDemo(context: CommandContext, found: DemoArguments): Promise<ExitCode> {
  const docs = docsOf(context, found.docs);
  let story: Story | undefined;
  return await runStory(context, found, {
    prefix: "submind-demo-",
    title: context.texts.demo.title,
    tell(folder, onEnd) {
      const telling = story = new Story(context, { folder, docs, multicast: !found.noMulticast });
      onEnd(() => telling.stop());
      return telling.tell();
    },
    sayRunning: () => sayRunning(context, story?.nodes ?? []),
  });
}

function docsOf(context: CommandContext, argument: string | undefined): string {
  const path = argument ?? fileURLToPath(new URL("../../docs", import.meta.url));
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    const cause = errorText(error);
    throw new CliError(context.texts.add.cannotRead(path, cause), {
      code: "notFound",
      exitCode: EXIT.usage,
      hint: "--docs",
      cause: error,
    });
  }
}

function sayRunning(context: CommandContext, nodes: readonly ChildNode[]): void {
  const { output, texts } = context;
  const addresses = nodes.map((node) => ({
    name: node.name,
    gatewayUrl: node.ready.gatewayUrl,
    loginUrl: node.ready.loginUrl,
    dataDirectory: node.options.directory,
  }));
  output.event({ type: "running", nodes: addresses }, () =>
    [
      "",
      texts.demo.running,
      formatPairs(output.terminal, addresses.map(({ name, loginUrl }) => [name, loginUrl])),
      `submind status --data ${join(addresses[0]?.dataDirectory ?? "")}`,
      texts.demo.stop,
    ].join("\n"));
}
