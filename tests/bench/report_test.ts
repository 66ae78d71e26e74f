import assert from "node:assert/strict";
import { figureLine, formatNumber, MARKS, marksOf, withReport } from "../../bench/report.ts";

const report = {
  bench: "store",
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

Deno.test("the section of a bench is replaced, and everything else stays", () => {
  const once = withReport("# Benchmarks\n\nWords.\n", report);
  assert(once.startsWith("# Benchmarks\n\nWords.\n"));
  assert(once.includes("| a\\|b | 12,346 1/s | 20,000 | 0.617 |  |"));
  const other = { ...report, bench: "search", date: "2026-12-24" };
  const twice = withReport(`${once}\nAfter.\n`, other);
  const thrice = withReport(twice, { ...report, date: "2027-01-01" });
  for (const mark of [...MARKS, ...marksOf("store"), ...marksOf("search")]) {
    assert.equal(thrice.split(mark).length, 2, mark);
  }
  assert(thrice.includes("2027-01-01") && !thrice.includes("2026-11-21"));
  assert(thrice.includes("2026-12-24") && thrice.endsWith("After.\n"));
  assert(thrice.indexOf("### store") < thrice.indexOf("### search"));
});
