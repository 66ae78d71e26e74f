/** What masks leave behind. That they are the right numbers is in the contract of mask work and in the vectors of secure sums. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

/** Streams of one number each, one by one and together, and how much larger the process is afterwards than before the second half of them. */
const PROGRAM = `
  import { nodeMaskStream } from "./platform/mask_stream.ts";
  const masks = nodeMaskStream();
  const target = new Uint32Array(1);
  const streams = Array.from({ length: 20 }, () => ({ key: new Uint8Array(32), sign: 1 }));
  const some = () => {
    for (let i = 0; i < 1_000; i++) {
      masks.applyAll({ streams, target });
      for (const stream of streams) masks.apply({ ...stream, target });
    }
    globalThis.gc();
  };
  some();
  const before = Deno.memoryUsage().rss;
  some();
  some();
  console.log(Deno.memoryUsage().rss - before);
`;
/** A stream's state in the runtime takes some hundreds of bytes: of 80,000 streams 24 MB. */
const BYTES_MAX = 8_000_000;

Deno.test("streams that are through leave nothing in the runtime", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--ext=ts", "--v8-flags=--expose-gc", PROGRAM],
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
  const { code, stdout, stderr } = await command.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const bytes = Number(new TextDecoder().decode(stdout));
  assert.ok(
    bytes < BYTES_MAX,
    `80,000 streams left ${bytes} bytes behind, expected < ${BYTES_MAX}`,
  );
});
