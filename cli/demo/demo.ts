/** `submind demo`: prepares a folder, tells the story, leaves the mesh running or ends it, and always cleans up. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errorText } from "../../platform/error_text.ts";
import type { CommandContext } from "../command.ts";
import { CliError, EXIT, type ExitCode } from "../exit_codes.ts";
import { formatPairs } from "../output/table.ts";
import type { ChildNode } from "./child_node.ts";
import { Story } from "./story.ts";

export interface DemoArguments {
  readonly once: boolean;
  readonly docs: string | undefined;
  readonly keep: boolean;
  readonly noMulticast: boolean;
}

/** Runs the demo. The last line of `--once --json` is the summary; the exit code is 0 only when all went well. */
export async function runDemo(context: CommandContext, found: DemoArguments): Promise<ExitCode> {
  const { output, texts } = context;
  const docs = docsOf(context, found.docs);
  const folder = Deno.makeTempDirSync({ prefix: "submind-demo-" });
  const story = new Story(context, { folder, docs, multicast: !found.noMulticast });
  let failed = true;
  try {
    output.note(output.terminal.colors.bold(texts.demo.title));
    const summary = await story.tell();
    failed = false;
    if (found.once) await story.stop();
    output.event({ ok: true, ...summary }, () => "");
    if (!found.once) await leaveRunning(context, story.nodes);
    return EXIT.ok;
  } finally {
    await story.stop();
    // After a failure the logs are what helps.
    if (!found.keep && !failed) {
      Deno.removeSync(folder, { recursive: true });
      if (!found.once) output.note(texts.demo.cleaned);
    } else output.note(texts.demo.waitedHint(folder));
  }
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

async function leaveRunning(context: CommandContext, nodes: readonly ChildNode[]): Promise<void> {
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
  await new Promise<void>((resolve) => {
    if (context.interrupted.aborted) resolve();
    else context.interrupted.addEventListener("abort", () => resolve(), { once: true });
  });
}
