/** `submind doctor`: looks at everything a node needs from this machine and says what to do about what is missing. */
import { object } from "@optique/core/constructs";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import { type Action, type CommandContext, plain } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import type { Finding } from "../doctor/finding.ts";
import { printable } from "../output/table.ts";
import type { Texts } from "../texts.ts";

/** Parser of the command. */
export function doctorCommand(texts: Texts) {
  return command("doctor", map(object({}), (): Action => runDoctor), {
    brief: plain(texts.help.doctor),
  });
}

async function runDoctor(context: CommandContext) {
  const { examine } = await import("../doctor/examine.ts");
  const findings: Finding[] = [];
  for await (const finding of examine(context)) findings.push(finding);
  const ok = findings.every((finding) => finding.state !== "failed");
  context.output.result({ ok, findings }, () => format(context, findings));
  return ok ? EXIT.ok : EXIT.failed;
}

function format(context: CommandContext, findings: readonly Finding[]): string {
  const { green, yellow, red, dim } = context.output.terminal.colors;
  const marks = { ok: green("✓"), warning: yellow("!"), failed: red("✗") };
  return findings.map((finding) => {
    const name = context.texts.doctor.names[finding.name];
    const line = `${marks[finding.state]} ${name}: ${printable(finding.detail)}`;
    return finding.fix === "" ? line : `${line}\n  ${dim("→")} ${printable(finding.fix)}`;
  }).join("\n");
}
