import assert from "node:assert/strict";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type DnsRecord, recordKey } from "../../../protocols/discovery/dns.ts";
import {
  RecordCache,
  RECORDS_MAX,
  RECORDS_PER_SOURCE_MAX,
} from "../../../protocols/discovery/record_cache.ts";
import { SourceBudget } from "../../../protocols/discovery/source_budget.ts";

function address(data: string, change: { ttlS?: number; flush?: boolean } = {}): DnsRecord {
  return { name: "Host.local", type: "A", ttlS: 120, flush: false, ...change, data };
}

function addresses(cache: RecordCache): readonly unknown[] {
  return cache.lookup("A", "host.LOCAL").map(({ record }) => record.data);
}

Deno.test("a record is asked for again at 80, 85, 90 and 95 % of its life, and then forgotten", () => {
  const cache = new RecordCache(seededRandom(1));
  cache.put(address("10.0.0.1", { ttlS: 100 }), "s", 0);
  const asked: number[] = [];
  let forgottenMs = 0;
  while (cache.size > 0) {
    const nowMs = cache.nextMs();
    asked.push(...cache.dueForRefresh(nowMs).map(() => nowMs));
    if (cache.expire(nowMs).length > 0) forgottenMs = nowMs;
  }
  assert.equal(forgottenMs, 100_000);
  assert.equal(asked.length, 4);
  [80, 85, 90, 95].forEach((percent, index) => {
    const at = (asked[index] ?? 0) / 1_000;
    assert(at >= percent && at <= percent + 2, `${at} s instead of ${percent} to ${percent + 2}`);
  });
});

Deno.test("hearing a record again starts its life anew", () => {
  const cache = new RecordCache(seededRandom(1));
  assert.equal(cache.put(address("10.0.0.1"), "s", 0), "new");
  assert.equal(cache.put(address("10.0.0.1"), "s", 100_000), "known");
  assert.deepEqual(cache.expire(219_999), []);
  assert.equal(cache.expire(220_000).length, 1);
});

Deno.test("the flush bit ends older records after a second, not those of the last second nor of the same message", () => {
  const cache = new RecordCache(seededRandom(1));
  cache.put(address("10.0.0.1"), "s", 0);
  cache.put(address("10.0.0.2"), "s", 9_500);
  const fresh = address("10.0.0.3", { flush: true });
  cache.put(fresh, "s", 10_000);
  cache.flush("A", "host.local", new Set([recordKey(fresh)]), 10_000);
  cache.expire(10_999);
  assert.deepEqual(addresses(cache), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
  cache.expire(11_000);
  assert.deepEqual(addresses(cache), ["10.0.0.2", "10.0.0.3"]);
});

Deno.test("a goodbye takes effect after a second and can be undone until then", () => {
  const cache = new RecordCache(seededRandom(1));
  cache.put(address("10.0.0.1"), "s", 0);
  assert.equal(cache.put(address("10.0.0.1", { ttlS: 0 }), "s", 5_000), "goodbye");
  assert.equal(cache.put(address("10.0.0.9", { ttlS: 0 }), "s", 5_000), "ignored");
  assert.deepEqual(cache.expire(5_999), []);
  const [entry] = cache.lookup("A", "host.local");
  assert(entry !== undefined);
  cache.rescue(entry);
  assert.deepEqual(cache.expire(119_999), []);
  cache.put(address("10.0.0.1", { ttlS: 0 }), "s", 119_999);
  assert.equal(cache.expire(120_999).length, 1);
});

Deno.test("no source fills the cache, and all of them together do not burst it", () => {
  const cache = new RecordCache(seededRandom(1));
  let last = "";
  for (let index = 0; index <= RECORDS_PER_SOURCE_MAX; index++) {
    last = cache.put(address(`10.0.${index >> 8}.${index & 255}`), "one", 0);
  }
  assert.equal(last, "full");
  assert.equal(cache.size, RECORDS_PER_SOURCE_MAX);
  assert.equal(cache.put(address("10.9.9.9"), "two", 0), "new");
  for (let index = 0; index < RECORDS_MAX; index++) {
    cache.put(address(`11.0.${index >> 8}.${index & 255}`), `source ${index % 100}`, 0);
  }
  assert.equal(cache.size, RECORDS_MAX);
  cache.expire(200_000);
  assert.equal(cache.size, 0);
  assert.equal(cache.put(address("10.0.0.1"), "one", 200_000), "new", "its share is free again");
});

Deno.test("a source that floods is not read for a while; others are", () => {
  const budget = new SourceBudget();
  let read = 0;
  for (let index = 0; index < 10_000; index++) if (budget.allows("noisy", index / 10)) read++;
  assert(read >= 400 && read <= 601, `${read} of 10,000 in one second`);
  assert(budget.allows("quiet", 1_000));
  assert(budget.allows("noisy", 2_000), "and later it is read again");
});
