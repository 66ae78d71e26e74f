/** What ciphers leave behind in the runtime when they are through: a state that is not ended is never given back. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

/** Runs `some` once to warm up and twice more; how much larger the process is after these two. */
const measured = (program: string) => `
  ${program}
  some();
  globalThis.gc();
  const before = Deno.memoryUsage().rss;
  some();
  globalThis.gc();
  some();
  globalThis.gc();
  console.log(Deno.memoryUsage().rss - before);
`;
/** A cipher's state in the runtime takes some hundreds of bytes: of 60,000 to 80,000 of them 24 MB and more. */
const BYTES_MAX = 8_000_000;

const PROGRAMS = {
  "streams of masks": `
    import { nodeMaskStream } from "./platform/mask_stream.ts";
    const masks = nodeMaskStream();
    const target = new Uint32Array(1);
    const streams = Array.from({ length: 20 }, () => ({ key: new Uint8Array(32), sign: 1 }));
    const some = () => {
      for (let i = 0; i < 1_000; i++) {
        masks.applyAll({ streams, target });
        for (const stream of streams) masks.apply({ ...stream, target });
      }
    };`,
  "permutations of blocks": `
    import { nodeCrypto } from "./platform/node_crypto.ts";
    const crypto = nodeCrypto({ workersMax: 0 });
    const [key, data] = [new Uint8Array(16), new Uint8Array(32)];
    const some = () => { for (let i = 0; i < 30_000; i++) crypto.permuteBlocks(key, data); };`,
};

for (const [name, program] of Object.entries(PROGRAMS)) {
  Deno.test(`${name} leave nothing in the runtime when they are through`, async () => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", "--ext=ts", "--v8-flags=--expose-gc", measured(program)],
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
    });
    const { code, stdout, stderr } = await command.output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const bytes = Number(new TextDecoder().decode(stdout));
    assert.ok(bytes < BYTES_MAX, `${bytes} bytes were left behind, expected < ${BYTES_MAX}`);
  });
}
