/** `submind get ID`: the content of a block, or with `--info` what is known about it. */
import { object } from "@optique/core/constructs";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, flag, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { parseBlockId } from "../../protocols/ids.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { exists, writeStream } from "../folder.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { formatPairs, printable } from "../output/table.ts";
import { formatBytes, formatTime } from "../output/units.ts";
import type { Texts } from "../texts.ts";

interface GetArguments {
  readonly id: string;
  readonly info: boolean;
  readonly output: string | undefined;
  readonly force: boolean;
}

/** Parser of the command. */
export function getCommand(texts: Texts) {
  const parser = object({
    id: argument(string({ metavar: "BLOCK" }), { description: plain(texts.options.block) }),
    info: withDefault(flag("--info", { description: plain(texts.options.info) }), false),
    output: optional(
      option("-o", "--output", path({ metavar: "FILE" }), {
        description: plain(texts.options.output),
      }),
    ),
    force: withDefault(flag("--force", { description: plain(texts.options.force) }), false),
  });
  return command("get", map(parser, (found): Action => (context) => runGet(context, found)), {
    brief: plain(texts.help.get),
  });
}

async function runGet(context: CommandContext, found: GetArguments) {
  if (parseBlockId(found.id) === undefined) {
    throw new CliError(context.texts.get.badId(found.id), {
      code: "usage",
      exitCode: EXIT.usage,
      hint: context.texts.get.badIdHint,
    });
  }
  const client = clientOf(context);
  if (found.info || (context.output.json && found.output === undefined)) {
    const view = await client.block(found.id);
    context.output.result(view, () => {
      const { header } = view.block;
      const texts = context.texts.get;
      return formatPairs(context.output.terminal, [
        [texts.id, view.block.id],
        [texts.kind, header.kind],
        [texts.topic, header.topic],
        [texts.tags, header.tags.join("  ") || "—"],
        [texts.type, header.mediaType],
        [texts.size, formatBytes(header.bodyBytes, context.language)],
        [texts.author, header.author],
        [texts.time, formatTime(header.timeMs, context.language)],
        [texts.here, view.complete ? texts.yes : texts.no],
        [texts.replacedBy, view.replacedBy.join("  ") || "—"],
        [texts.current, view.current ?? texts.removed],
        ...(view.conflicts.length === 0
          ? []
          : [[texts.conflicts, view.conflicts.join("  ")] as [string, string]]),
      ]);
    });
    return EXIT.ok;
  }
  if (found.output !== undefined && !found.force && exists(found.output)) {
    throw new CliError(context.texts.get.fileExists(found.output), {
      code: "refused",
      exitCode: EXIT.refused,
      hint: context.texts.get.fileExistsHint,
    });
  }
  const body = await client.body(found.id);
  if (found.output !== undefined) {
    const bytes = await writeStream(body, found.output);
    context.output.result(
      { ok: true, file: found.output, bytes },
      () => context.texts.get.written(found.output ?? "", formatBytes(bytes, context.language)),
    );
    return EXIT.ok;
  }
  await print(context, body, found.id);
  return EXIT.ok;
}

/** Bytes as they are into pipes and files; onto a terminal only text that cannot steer it. */
async function print(
  context: CommandContext,
  body: ReadableStream<Uint8Array>,
  id: string,
): Promise<void> {
  const { terminal } = context.output;
  const decoder = new TextDecoder();
  for await (const part of body) {
    if (terminal.outIsTerminal && isBinary(part)) {
      throw new CliError(context.texts.get.binary, {
        code: "usage",
        exitCode: EXIT.usage,
        hint: context.texts.get.binaryHint(id),
      });
    }
    if (!terminal.outIsTerminal) terminal.outBytes(part);
    else terminal.outBytes(harmless(decoder.decode(part, { stream: true })));
  }
}

/** Text holds no zero byte; nearly every other format does, and early. */
function isBinary(part: Uint8Array): boolean {
  return part.includes(0);
}

function harmless(text: string): Uint8Array {
  return new TextEncoder().encode(printable(text.replaceAll("\u001b", "�")));
}
