import assert from "node:assert/strict";
import { run } from "./fake_world.ts";
import { skipped } from "../skipped.ts";

Deno.test("every supported shell gets a completion script", async () => {
  for (const shell of ["bash", "zsh", "fish", "pwsh"]) {
    const { exitCode, out } = await run(["completion", shell]);
    assert.equal(exitCode, 0, shell);
    assert.match(out, /submind/, shell);
  }
});

Deno.test({
  name: "bash completes commands, subcommands, options and settings with our script",
  ignore: skipped("completion in bash", hasBash() ? null : "no bash"),
  async fn() {
    const folder = Deno.makeTempDirSync();
    try {
      // Under the name a person types, as an installed program would be.
      const program = `${folder}/submind`;
      const main = new URL("../../cli/main.ts", import.meta.url).pathname;
      const command = `"${Deno.execPath()}" run --no-check --allow-all "${main}" "$@"`;
      Deno.writeTextFileSync(program, `#!/bin/sh\nexec ${command}\n`, { mode: 0o755 });
      Deno.writeTextFileSync(`${folder}/script.bash`, (await run(["completion", "bash"])).out);
      const cases: readonly (readonly [words: string, expected: string])[] = [
        ["sear", "search"],
        ["config s", "set"],
        ["config get gateway.p", "gateway.port"],
        ["members update x --tru", "--trust"],
        ["pair --role gu", "guest"],
        ["send x y --wait de", "delivered"],
        ["inbox sa", "save"],
        ["conversations sh", "show"],
      ];
      for (const [words, expected] of cases) {
        const replies = complete(folder, words);
        assert(replies.includes(expected), `${words}: ${JSON.stringify(replies)}`);
      }
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

function hasBash(): boolean {
  try {
    return new Deno.Command("bash", { args: ["-c", "exit 0"] }).outputSync().success;
  } catch {
    return false;
  }
}

function complete(folder: string, words: string): readonly string[] {
  const list = ["submind", ...words.split(" ")];
  const script = `
    source "${folder}/script.bash"
    COMP_WORDS=(${list.map((word) => `"${word}"`).join(" ")})
    COMP_CWORD=${list.length - 1}
    COMP_LINE="${list.join(" ")}"
    COMP_POINT=\${#COMP_LINE}
    spec=$(complete -p submind)
    name=$(sed -E 's/.*-F ([^ ]+).*/\\1/' <<<"$spec")
    "$name" submind "${list.at(-1)}" "${list.at(-2)}"
    printf '%s\\n' "\${COMPREPLY[@]}"
  `;
  const { stdout } = new Deno.Command("bash", {
    args: ["-c", script],
    env: { PATH: `${folder}:${Deno.env.get("PATH") ?? ""}` },
  }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").map((line) => line.trim());
}
