/** A device's own data as tasks read it: the newest readings, files below one folder and nothing else. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { DeviceId } from "../../protocols/ids.ts";
import { exampleSource } from "../../deployments/learning.ts";
import { examplesFor } from "../../learning/runs/examples.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import { POINTS_MAX } from "../../store/readings.ts";
import { opened } from "../learning/proof_support.ts";

Deno.test("a task gets the newest readings of a series, oldest first, also when there are more than one page of them", async () => {
  const store = openMemoryStore();
  const count = POINTS_MAX + 500;
  const readings = Array.from({ length: count }, (_, i) => ({
    metric: "temperature",
    atMs: 1_000 * i,
    value: i,
    sequence: i,
  }));
  await store.readings.add("attic", readings, true);
  const source = exampleSource({ directory: "nowhere", store });
  assert.deepEqual(await source.series(), ["attic/temperature"]);
  const newest = await source.readings("attic/temperature", 700);
  assert.equal(newest.length, 700);
  assert.deepEqual(newest[0], { timeMs: 1_000 * (count - 700), value: count - 700 });
  assert.deepEqual(newest.at(-1), { timeMs: 1_000 * (count - 1), value: count - 1 });
  assert.deepEqual(await source.readings("attic/humidity", 700), []);
});

Deno.test("a task reads files below its folder and none beside it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "submind_source_" });
  try {
    await Deno.mkdir(join(folder, "learning", "mnist"), { recursive: true });
    await Deno.writeTextFile(join(folder, "learning", "mnist", "a"), "inside");
    await Deno.writeTextFile(join(folder, "secret"), "outside");
    const source = exampleSource({ directory: join(folder, "learning"), store: openMemoryStore() });
    assert.equal(new TextDecoder().decode(await source.readFile("mnist/a")), "inside");
    for (const name of ["../secret", "mnist/../../secret", "/etc/hostname", "mnist/b", "", "."]) {
      assert.equal(await source.readFile(name), undefined, name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a device whose examples cannot be read says why, and does not stand still", async () => {
  const directory = await Deno.makeTempDir({ prefix: "submind_learning_unreadable_" });
  try {
    const name = "mnist-train-images-idx3-ubyte";
    await Deno.mkdir(join(directory, "mnist", name), { recursive: true });
    const source = exampleSource({ directory, store: openMemoryStore() });
    const { plan } = opened(TASKS[0]!.network({}), {});
    const found = await examplesFor({ ...plan, task: "mnist", options: {}, share: null }, {
      tasks: TASKS,
      source,
      self: "" as DeviceId,
    });
    assert.ok("unavailable" in found);
    assert.ok(found.unavailable.includes(name), found.unavailable);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
