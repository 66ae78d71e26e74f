import assert from "node:assert/strict";
import { figureLine, formatNumber, MARKS, withReport } from "../../bench/report.ts";

const report = {
  machine: "a machine",
  date: "2026-11-21",
  command: "deno task bench",
  figures: [{ name: "a|b", value: 12_345.6, unit: "1/s", limit: 20_000, ratio: 0.617 }],
};

Deno.test("a figure is one line with the five documented keys", () => {
  assert.equal(
    figureLine({ name: "a", value: 1, unit: "ms" }),
    '{"name":"a","value":1,"unit":"ms","limit":null,"ratio":null}',
  );
});

Deno.test("numbers keep what is worth comparing", () => {
  assert.deepEqual([12_345.6, 0.123456, 1.5, 0].map(formatNumber), ["12,346", "0.123", "1.5", "0"]);
});

Deno.test("the measured section is replaced and the words around it stay", () => {
  const once = withReport("# Benchmarks\n\nWords.\n", report);
  const [begin, end] = MARKS;
  assert(once.startsWith("# Benchmarks\n\nWords.\n"));
  assert(once.includes("| a\\|b | 12,346 1/s | 20,000 | 0.617 |  |"));
  const twice = withReport(`${once}\nAfter.\n`, { ...report, date: "2027-01-01" });
  assert.equal(twice.split(begin).length, 2);
  assert.equal(twice.split(end).length, 2);
  assert(
    twice.includes("2027-01-01") && !twice.includes("2026-11-21") && twice.endsWith("After.\n"),
  );
});
