/** Log lines: one JSON object each, bounded, and never a reason to fail. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { jsonFileLog, jsonLog, LOG_FIELDS_MAX, LOG_TEXT_MAX } from "../../platform/json_log.ts";

const clock = { wallMs: () => Date.UTC(2026, 0, 2) };

Deno.test("a line holds time, level, message and fields", () => {
  const lines: string[] = [];
  const log = jsonLog({ clock, write: (line) => lines.push(line), fields: { node: "abc" } });
  log.write("debug", "not written");
  log.write("warning", "two\nlines", { count: 3, level: "error", key: new Uint8Array(32) });
  assert.equal(lines.length, 1);
  assert.equal(lines[0]!.indexOf("\n"), lines[0]!.length - 1);
  assert.deepEqual(JSON.parse(lines[0]!), {
    time: "2026-01-02T00:00:00.000Z",
    level: "warning",
    message: "two\nlines",
    node: "abc",
    count: 3,
    level_: "error",
    key: "32 bytes",
  });
});

Deno.test("whatever the fields are, the line is JSON and bounded", () => {
  const lines: string[] = [];
  const log = jsonLog({ clock, level: "debug", write: (line) => lines.push(line) });
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  log.write("error", "odd", {
    circular,
    big: 1n,
    none: undefined,
    nan: NaN,
    error: new Error("x"),
  });
  log.write("error", "long".repeat(LOG_TEXT_MAX), { text: "y".repeat(100_000) });
  log.write(
    "error",
    "many",
    Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i])),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything()), (fields) => {
      log.write("info", "fuzz", fields);
    }),
    { seed: 5 },
  );
  for (const line of lines) JSON.parse(line);
  assert.equal(lines.length, 103);
  assert.ok(lines[1]!.length < 3 * LOG_TEXT_MAX);
  assert.equal(JSON.parse(lines[2]!).fieldsLeftOut, 100 - LOG_FIELDS_MAX);
});

Deno.test("a sink that throws costs the line only", () => {
  const log = jsonLog({
    clock,
    write: () => {
      throw new Error("pipe closed");
    },
  });
  log.write("error", "lost");
});

Deno.test("a file log appends and is not readable by others", async () => {
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  try {
    for (const message of ["first", "second"]) {
      const log = jsonFileLog({ clock, path });
      log.write("info", message);
      log.close();
      log.write("info", "after the end");
    }
    const lines = (await Deno.readTextFile(path)).trim().split("\n");
    assert.deepEqual(lines.map((line) => JSON.parse(line).message), ["first", "second"]);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  } finally {
    await Deno.remove(path);
  }
});
