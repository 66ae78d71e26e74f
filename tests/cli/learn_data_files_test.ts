/** Files that `submind learn data` is given: packed ones, damaged ones, and what is no file at all. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeIdx } from "../../learning/data/idx.ts";
import { withFolders } from "./data_folders.ts";
import { run } from "./fake_world.ts";

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

Deno.test("learn data import reads what gzip packed in several members", async () => {
  await withFolders(async ({ data, source }) => {
    const pictures = writeIdx([12, 4, 4], new Uint8Array(192).map((_, i) => i));
    const members = [await gzip(pictures.slice(0, 50)), await gzip(pictures.slice(50))];
    const args = ["learn", "data", "import", "--idx", source, "--name", "two", "--data", data];
    const take = async (...parts: readonly Uint8Array[]) => {
      const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
      await Deno.writeFile(join(source, "train-images.gz"), bytes);
      return await run([...args, "--json"]);
    };
    await Deno.writeFile(
      join(source, "train-labels"),
      writeIdx([12], new Uint8Array(12).map((_, i) => i % 3)),
    );
    const taken = await take(...members);
    assert.equal(taken.exitCode, 0, taken.out);
    const kept = await Deno.readFile(join(data, "learning/mnist/two-train-images-idx3-ubyte"));
    assert.deepEqual(kept, pictures);
    const refused = await take(...members, Uint8Array.of(0x50, 0x4b, 3, 4));
    assert.match(
      JSON.parse(refused.out).error.message,
      /train-images.gz: it is damaged or cut off/,
    );
  });
});

Deno.test("learn data import names each kind of damage with its file, and keeps nothing of the set", async () => {
  const pictures = writeIdx([4, 8, 8], new Uint8Array(256));
  const labels = writeIdx([4], Uint8Array.of(0, 1, 2, 3));
  const changed = (at: number, value: number) => pictures.with(at, value);
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ["train-images", pictures.subarray(0, -3), /253 values follow its header, expected 4 × 8 × 8/],
    ["train-images", pictures.subarray(0, 9), /it ends within its header/],
    ["train-images", new Uint8Array(), /it does not begin with two zero bytes/],
    ["train-images", changed(0, 1), /it does not begin with two zero bytes/],
    ["train-images", changed(2, 0x0d), /it holds 32-bit floats, expected unsigned bytes/],
    ["train-images", changed(3, 2), /it has 2 dimensions, expected 1 .*, 3 .* or 4/],
    ["train-images", changed(7, 0), /extent 1 is 0, expected 1 to 4000000/],
    ["train-images", changed(7, 5), /expected 5 × 8 × 8 = 320/],
    ["train-images.gz", (await gzip(pictures)).subarray(0, -12), /it is damaged or cut off/],
  ];
  for (const [file, bytes, message] of cases) {
    await withFolders(async ({ data, source }) => {
      await Deno.writeFile(join(source, file), bytes);
      await Deno.writeFile(join(source, "train-labels"), labels);
      const args = ["learn", "data", "import", "--idx", source, "--name", "odd", "--data", data];
      const { exitCode, out } = await run([...args, "--json"]);
      const { ok, error } = JSON.parse(out);
      assert.deepEqual([exitCode, ok, error.code], [4, false, "damaged"], out);
      assert.match(error.message, message);
      assert.ok(error.message.includes(join(source, file)), error.message);
      assert.deepEqual(JSON.parse((await run(["learn", "data", "--data", data, "--json"])).out), {
        sets: [],
      });
    });
  }
});

Deno.test("learn data import reads nothing that has no end", async () => {
  await withFolders(async ({ data, source }) => {
    await Deno.symlink("/dev/zero", join(source, "train-images"));
    await Deno.writeFile(join(source, "train-labels"), writeIdx([4], new Uint8Array(4)));
    const args = ["learn", "data", "import", "--idx", source, "--name", "zero", "--data", data];
    const { exitCode, out } = await run([...args, "--json"]);
    assert.equal(exitCode, 4);
    assert.match(JSON.parse(out).error.message, /Cannot read .*train-images: it is no file/);
  });
});

Deno.test("learn data import leaves a file alone that is larger than any set", async () => {
  await withFolders(async ({ data, source }) => {
    await Deno.writeFile(join(source, "train-images"), new Uint8Array());
    await Deno.truncate(join(source, "train-images"), 100 * 1024 ** 3);
    const args = ["learn", "data", "import", "--idx", source, "--name", "huge", "--data", data];
    const { exitCode, out } = await run([...args, "--json"]);
    assert.equal(exitCode, 4, out);
    assert.match(JSON.parse(out).error.message, /it has 107374182400 bytes, expected at most/);
  });
});

Deno.test("learn data fetch reads nothing that has no end, and no folder, and says so in both languages", async () => {
  await withFolders(async ({ data, source }) => {
    const file = join(source, "train-images-idx3-ubyte");
    const fetch = ["learn", "data", "fetch", "mnist", "--from", source, "--data", data];
    for (const make of [Deno.mkdir, (path: string) => Deno.symlink("/dev/zero", path)]) {
      await make(file);
      const { exitCode, out } = await run([...fetch, "--json"]);
      assert.deepEqual([exitCode, JSON.parse(out).error.code], [4, "damaged"]);
      assert.match(JSON.parse(out).error.message, /Cannot read .*-ubyte: it is no file/);
      const german = await run([...fetch, "--lang", "de"]);
      assert.match(german.err, /-ubyte lässt sich nicht lesen: Es ist keine Datei/);
      await Deno.remove(file);
    }
  });
});
