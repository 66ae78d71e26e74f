/** docs/privacy-accounting.md: its commands are run as written, and its numbers are what they say. */
import assert from "node:assert/strict";
import { run } from "../cli/fake_world.ts";

const TEXT = await Deno.readTextFile(new URL("../../docs/privacy-accounting.md", import.meta.url));

Deno.test("commands of the page on privacy print what the page shows", async () => {
  const shown = [...TEXT.matchAll(/^submind (learn epsilon .*)\n((?:[εE→].*\n)+)/gm)];
  assert(shown.length >= 6);
  for (const [, command, answer] of shown) {
    const { out, err } = await run(command!.split(" "));
    for (const line of answer!.trimEnd().split("\n")) {
      assert(`${out}${err}`.split("\n").includes(line), `${command}: ${out}${err}, not ${line}`);
    }
  }
});

/** The rows of devices in the table that follows `heading`, as numbers. */
function tableAfter(heading: string): readonly (readonly number[])[] {
  const from = TEXT.indexOf(heading);
  assert(from >= 0, heading);
  const rows = [...TEXT.slice(from).matchAll(/^\| (\d+) \| (\S+) \| (\S+) \| (\S+) \|$/gm)];
  return rows.slice(0, 4).map((row) => row.slice(1).map(Number));
}

Deno.test("the tables of what is reachable are what the command computes", async () => {
  const loop = /submind (learn epsilon .*)\$n --parameters \$d --noise-share 0.3/.exec(TEXT)![1]!;
  for (
    const [heading, more] of [
      ["with noise share 0.3 at", ["--noise-share", "0.3"]],
      ["With noise share 1", ["--noise-share", "1"]],
      ["noises its own update (`--noise local`), share 0.3", [
        "--noise-share",
        "0.3",
        "--noise",
        "local",
      ]],
    ] as const
  ) {
    const rows = tableAfter(heading);
    assert.deepEqual(rows.map(([devices]) => devices), [10, 100, 1_000, 20_000]);
    for (const [devices, ...shown] of rows) {
      for (const [i, parameters] of [7_850, 199_210, 1_663_370].entries()) {
        const args = `${loop}${devices} --parameters ${parameters}`.split(" ");
        const { epsilon } = JSON.parse((await run([...args, ...more, "--json"])).out);
        const what = `${devices} devices, ${parameters} numbers, ${more.join(" ")}`;
        assert.equal(Number(epsilon.toPrecision(3)), shown[i], what);
      }
    }
  }
});
