/** Tasks as plug-ins: options are checked before a run, and examples come out of real data the same way on every device. */
import assert from "node:assert/strict";
import { initialParameters } from "../../learning/engine/initial.ts";
import { shapesOf } from "../../learning/engine/shapes.ts";
import type { TaskBlock, TaskExamples, TaskOptions } from "../../learning/task.ts";
import { mnistTask, optionsForSet } from "../../learning/tasks/mnist.ts";
import { lastValueLoss, sensorsTask } from "../../learning/tasks/sensors.ts";
import { TASKS } from "../../learning/tasks/tasks.ts";
import { topicsTask } from "../../learning/tasks/topics.ts";
import { fnv1a, wordsOf, writeHashedWords } from "../../learning/tasks/words.ts";
import { officeTemperatures, smallMnistFiles, sourceOf } from "./data_fixtures.ts";

const SEED = new Uint8Array(32);

function given(outcome: TaskExamples | { readonly unavailable: string }): TaskExamples {
  assert.ok(!("unavailable" in outcome), "unavailable" in outcome ? outcome.unavailable : "");
  return outcome;
}

function missing(outcome: TaskExamples | { readonly unavailable: string }): string {
  assert.ok("unavailable" in outcome);
  return outcome.unavailable;
}

Deno.test("every task has a name of its own, texts in both languages, and a network that can be trained", () => {
  assert.equal(new Set(TASKS.map(({ name }) => name)).size, TASKS.length);
  for (const task of TASKS) {
    assert.ok(task.title.de !== "" && task.title.en !== "" && task.description.de !== "");
    const options: TaskOptions = task.name === "topics" ? { classes: "a,b" } : {};
    const network = task.network(options);
    assert.ok(initialParameters(network, SEED).length > 0);
    assert.throws(() => task.network({ ...options, nonsense: 1 }), {
      name: "RangeError",
      message: new RegExp(`Task "${task.name}" has no option "nonsense": it has`),
    });
  }
});

Deno.test("an option that is impossible is refused with name, value and what was expected", () => {
  const cases: readonly [string, TaskOptions, RegExp][] = [
    ["mnist", { model: "gpt" }, /model is "gpt", expected one of 2nn, cnn, softmax, residual/],
    ["mnist", { rows: 0 }, /rows is "0", expected an integer from 1 to 256/],
    [
      "mnist",
      { rows: 27, model: "cnn" },
      /model cnn does not fit pictures of 27×28: .*maxPool.*; model 2nn or softmax would fit/,
    ],
    ["mnist", { set: "../secrets" }, /set is "\.\.\/secrets"/],
    ["mnist", { model: true }, /model is "true"/],
    ["sensors", { window: 1.5 }, /window is "1.5", expected an integer from 2 to 512/],
    ["sensors", { spread: 0 }, /spread is "0", expected a number/],
    ["sensors", { centre: NaN }, /centre is "NaN"/],
    ["topics", {}, /classes is "", expected 2 to 64 topics/],
    ["topics", { classes: "one" }, /classes is "one"/],
    ["topics", { classes: "one, one" }, /"one" is empty or comes twice/],
    ["topics", { classes: "a,b", features: "1000" }, /features is "1000", expected one of 256/],
  ];
  for (const [name, options, message] of cases) {
    const task = TASKS.find((one) => one.name === name)!;
    assert.throws(() => task.network(options), { name: "RangeError", message });
  }
});

Deno.test("a number where a text is meant is that text", () => {
  const network = (features: string | number) => topicsTask.network({ classes: "a,b", features });
  assert.deepEqual(network(512), network("512"));
  assert.equal(shapesOf(network(512)).exampleLength, 512);
});

Deno.test("mnist: the networks of the papers have their papers' sizes", () => {
  const sizes = ["2nn", "cnn", "softmax", "residual"].map((model) =>
    shapesOf(mnistTask.network({ model })).layout.count
  );
  assert.deepEqual(sizes, [199_210, 1_663_370, 7_850, 28_266]);
});

Deno.test("mnist: real pictures come in, whole or as one device's share", async () => {
  const source = sourceOf({ files: await smallMnistFiles() });
  const whole = given(await mnistTask.examples({ source, options: {}, share: null }));
  assert.deepEqual([whole.training.count, whole.test?.count], [500, 100]);
  const seen: string[] = [];
  for (let index = 0; index < 5; index++) {
    const share = { index, count: 5, kind: "shards", seed: SEED } as const;
    const mine = given(await mnistTask.examples({ source, options: {}, share }));
    assert.equal(mine.training.count, 100);
    assert.equal(mine.test?.count, 100);
    for (let i = 0; i < 100; i++) {
      seen.push(mine.training.inputs.subarray(i * 784, (i + 1) * 784).join());
    }
  }
  assert.equal(new Set(seen).size, 500);
});

Deno.test("mnist: what is not there, damaged, or of another size is told, with what to do", async () => {
  const files = await smallMnistFiles();
  const ask = (held: typeof files, options: TaskOptions = {}) =>
    mnistTask.examples({ source: sourceOf({ files: held }), options, share: null });
  assert.match(
    missing(await ask({})),
    /mnist-train-images-idx3-ubyte is not here; .*submind learn data fetch mnist/,
  );
  assert.match(missing(await ask(files, { set: "fashion" })), /--name fashion/);
  assert.match(
    missing(await ask(files, { rows: 32, columns: 32 })),
    /pictures of 28×28×1, the plan says 32×32×1; expected the options rows=28 columns=28 channels=1/,
  );
  assert.match(
    missing(await ask(files, { classes: 5 })),
    /has a label 9, the plan has 5 classes; expected the option classes=10 at least/,
  );
  const images = "mnist/mnist-train-images-idx3-ubyte.gz";
  assert.match(
    missing(await ask({ ...files, [images]: files[images]!.slice(0, 1_000) })),
    /damaged or cut off/,
  );
  const { "mnist/mnist-t10k-labels-idx1-ubyte.gz": _, ...withoutTest } = files;
  assert.equal(given(await ask(withoutTest)).test, null);
  assert.deepEqual(optionsForSet("letters", { rows: 8, columns: 9, channels: 3 }, 26), {
    set: "letters",
    rows: 8,
    columns: 9,
    channels: 3,
    classes: 26,
  });
});

const OFFICE: TaskOptions = { centre: 72, spread: 5, window: 12 };

Deno.test("sensors: windows of a real office's temperature, none over a gap, the newest for testing", async () => {
  const readings = await officeTemperatures();
  const source = sourceOf({ series: { "office/temperature": readings, "office/humidity": [] } });
  const options = { ...OFFICE, series: "temperature" };
  const { training, test } = given(await sensorsTask.examples({ source, options, share: null }));
  assert.equal(training.exampleLength, 14);
  assert.equal(shapesOf(sensorsTask.network(options)).exampleLength, 14);
  // 2,000 hours without gaps would be 1,588 and 388 windows of 13.
  assert.ok(training.count > 1_000 && training.count <= 1_588, `${training.count}`);
  assert.ok(test !== null && test.count > 100 && test.count <= 388, `${test?.count}`);
  // The first window by hand: distances from the twelfth value, its height, midnight to 11 o'clock.
  const values = readings.slice(0, 13).map(({ value }) => value);
  const expected = Float32Array.from([
    ...values.slice(0, 11).map((value) => (value - values[11]!) / 5),
    (values[11]! - 72) / 5,
    Math.sin(2 * Math.PI * 11 / 24),
    Math.cos(2 * Math.PI * 11 / 24),
  ]);
  assert.deepEqual(training.inputs.subarray(0, 14), expected);
  assert.equal(training.labels[0], Math.fround(values[12]! - values[11]!));
  const baseline = lastValueLoss(training);
  assert.ok(baseline > 0.1 && baseline < 10, `${baseline}`);
});

Deno.test("sensors: a gap ends a window, readings within a step are averaged, nonsense is left out", async () => {
  const minute = 60_000;
  const readings = Array.from({ length: 200 }, (_, i) => ({
    timeMs: (i < 100 ? i : i + 1) * minute,
    value: i,
  }));
  readings.push({ timeMs: 150 * minute, value: NaN });
  const options = { stepMinutes: 1, window: 3, horizon: 2, centre: 0, spread: 1, change: 1 };
  const source = sourceOf({ series: { line: readings } });
  const { training, test } = given(await sensorsTask.examples({ source, options, share: null }));
  // 160 steps for training: 96 windows of 5 before the gap, 56 after it; 36 of the last 40.
  assert.deepEqual([training.count, test?.count], [96 + 56, 36]);
  assert.ok(training.labels.every((label, i) => label === i % 2 + 1));
  const pairs = { ...options, stepMinutes: 2, horizon: 1 };
  const averaged = given(await sensorsTask.examples({ source, options: pairs, share: null }));
  assert.equal(averaged.training.inputs[2], 4.5, "the newest of the first three pairs");
});

Deno.test("sensors: broken readings, however large, give numbers that can be learned from", async () => {
  const series = {
    still: readingsOf((i) => i % 90 === 0 ? 1e300 : 20),
    swinging: readingsOf((i) => i % 2 === 0 ? 1.7e308 : -1.7e308),
    // Two in one step add up to what is no number.
    doubled: readingsOf(() => Number.MAX_VALUE, 2),
  };
  for (const [name, readings] of Object.entries(series)) {
    const source = sourceOf({ series: { "a/t": readings } });
    const found = await sensorsTask.examples({ source, options: { window: 4 }, share: null });
    if ("unavailable" in found) {
      assert.equal(name, "doubled");
      continue;
    }
    const { inputs, labels } = found.training;
    assert.ok([...inputs, ...labels].every((value) => Math.abs(value) <= 10), name);
  }
});

/** An hour each, or several in one. */
function readingsOf(value: (i: number) => number, each = 1) {
  return Array.from({ length: 400 }, (_, i) => ({
    timeMs: Math.floor(i / each) * 3_600_000 + i % each,
    value: value(i),
  }));
}

Deno.test("sensors: too few readings are told", async () => {
  const source = sourceOf({ series: { a: (await officeTemperatures()).slice(0, 30) } });
  assert.match(
    missing(await sensorsTask.examples({ source, options: OFFICE, share: null })),
    /1 series give \d+ windows of 13 steps of 60 min without a gap, at least 20/,
  );
});

Deno.test("words are hashed by FNV-1a (its authors' vectors), signed, and scaled to length one", () => {
  assert.equal(fnv1a(""), 0x811c9dc5);
  assert.equal(fnv1a("a"), 0xe40c292c);
  assert.equal(fnv1a("foobar"), 0xbf9cf968);
  assert.deepEqual(wordsOf("Der Kürbis, the ﬁrst: 12 kg – à!"), [
    "der",
    "kürbis",
    "the",
    "first",
    "12",
    "kg",
  ]);
  const vector = new Float32Array(256);
  assert.equal(writeHashedWords("rain rain garden", vector), true);
  const filled = [...vector].filter((value) => value !== 0).map(Math.abs).sort();
  assert.equal(filled.length, 2);
  assert.ok(Math.abs(filled[1]! / filled[0]! - (1 + Math.log(2))) < 1e-6);
  assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
  assert.equal(writeHashedWords("– ! ?", vector), false);
  assert.ok(vector.every((value) => value === 0));
});

const GARDEN = "tomatoes want water soil sun and a stake in the garden bed";
const KITCHEN = "boil the water add salt pasta and sauce then serve in the kitchen";

function block(topic: string, text: string, number: number, mediaType = "text/plain"): TaskBlock {
  return {
    id: fnv1a(`${topic} ${number}`).toString(16).padStart(64, "0"),
    author: "a",
    topic,
    tags: [],
    mediaType,
    timeMs: number,
    body: new TextEncoder().encode(`${text} ${number}`),
  };
}

Deno.test("topics: blocks that only begin like a class do not use up its blocks", async () => {
  const blocksOf = (topic: string, count: number): TaskBlock[] =>
    Array.from({ length: count }, (_, i) => ({
      id: `${topic} ${i}`,
      author: "",
      topic,
      tags: [],
      mediaType: "text/plain",
      timeMs: i,
      body: new TextEncoder().encode(`words of ${topic}`),
    }));
  const blocks = ["garden", "garden/tomatoes", "gardening"].flatMap((topic) => blocksOf(topic, 40));
  const options = { classes: "garden,garden/tomatoes", blocks: 30 };
  const found = given(
    await topicsTask.examples({ source: sourceOf({ blocks }), options, share: null }),
  );
  const count = (label: number) =>
    [found.training, found.test!].reduce(
      (sum, { labels }) => sum + labels.filter((one) => one === label).length,
      0,
    );
  assert.deepEqual([count(0), count(1)], [30, 30]);
});

Deno.test("topics: blocks go to the nearest of the topics, texts only, a fifth for testing", async () => {
  const blocks = [
    ...Array.from({ length: 50 }, (_, i) => block("garden", GARDEN, i)),
    ...Array.from({ length: 50 }, (_, i) => block("garden/kitchen", KITCHEN, i)),
    ...Array.from({ length: 50 }, (_, i) => block("gardening", "no", i)),
    block("garden", "a picture", 99, "image/png"),
  ];
  const options = { classes: "garden, garden/kitchen", features: "256" };
  const { training, test } = given(
    await topicsTask.examples({ source: sourceOf({ blocks }), options, share: null }),
  );
  assert.ok(test !== null);
  assert.equal(training.count + test.count, 100);
  assert.ok(test.count > 5 && test.count < 40, `${test.count}`);
  const labels = [...training.labels, ...test.labels];
  assert.equal(labels.filter((label) => label === 1).length, 50);
  const again = given(
    await topicsTask.examples({ source: sourceOf({ blocks }), options, share: null }),
  );
  assert.deepEqual(again, { training, test });
  assert.match(
    missing(await topicsTask.examples({ source: sourceOf({}), options, share: null })),
    /0 texts with these topics are too few/,
  );
});
