/** Readings of a memory store. */
import type { Reading } from "../protocols/sensors/readings.ts";
import { checkRange } from "./limits.ts";
import type { MemoryDisk } from "./memory_disk.ts";
import {
  POINTS_MAX,
  type ReadingsPoint,
  type ReadingsQuery,
  type ReadingsRepository,
  REPEATED_MS,
  type SeriesSummary,
  type WaitingReadings,
} from "./readings.ts";

/** One reading and where it belongs. */
export interface StoredReading extends Reading {
  readonly sensor: string;
  readonly published: boolean;
}

/** Rows by `keyOf`. */
export type MemoryReadingsTable = Map<string, StoredReading>;

function keyOf(sensor: string, { metric, atMs, sequence }: Reading): string {
  return `${sensor} ${metric} ${atMs} ${sequence ?? ""}`;
}

export class MemoryReadings implements ReadingsRepository {
  readonly #disk: MemoryDisk;
  readonly #epoch: number;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
    this.#epoch = disk.epoch;
  }

  add(sensor: string, readings: readonly Reading[], published: boolean) {
    const wanted = [...readings];
    return this.#disk.write("readings", this.#epoch, (remember) => {
      let accepted = 0;
      for (const reading of wanted) {
        const key = keyOf(sensor, reading);
        const before = this.#rows.get(key);
        if (this.#isRepeated(sensor, reading)) continue;
        if (before === undefined) accepted += 1;
        else if (!published || before.published) continue;
        remember(() => before === undefined ? this.#rows.delete(key) : this.#rows.set(key, before));
        this.#rows.set(key, { ...(before ?? { ...reading, sensor }), published });
      }
      return { accepted, duplicates: wanted.length - accepted };
    });
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async waiting(limit: number): Promise<readonly WaitingReadings[]> {
    const bySensor = new Map<string, StoredReading[]>();
    for (const row of this.#rows.values()) {
      if (row.published) continue;
      const known = bySensor.get(row.sensor);
      if (known === undefined) bySensor.set(row.sensor, [row]);
      else known.push(row);
    }
    return [...bySensor.keys()].sort().map((sensor) => ({
      sensor,
      readings: bySensor.get(sensor)!.sort(inOrder).slice(0, limit).map(readingOf),
    }));
  }

  markPublished(sensor: string, readings: readonly Reading[]): Promise<void> {
    const wanted = [...readings];
    return this.#disk.write("readings", this.#epoch, (remember) => {
      for (const reading of wanted) {
        const key = keyOf(sensor, reading);
        const before = this.#rows.get(key);
        if (before === undefined) continue;
        remember(() => this.#rows.set(key, before));
        this.#rows.set(key, { ...before, published: true });
      }
    });
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async series(query: ReadingsQuery): Promise<readonly ReadingsPoint[]> {
    checkRange("limit", query.limit, 1, POINTS_MAX);
    const { sensor, metric, fromMs, toMs, bucketMs, limit } = query;
    const rows = [...this.#rows.values()].filter((row) =>
      row.sensor === sensor && row.metric === metric && row.atMs >= fromMs && row.atMs < toMs
    ).sort(inOrder);
    if (bucketMs === 0) {
      return rows.slice(0, limit).map(({ atMs, value }) => ({
        atMs,
        value,
        least: value,
        most: value,
        count: 1,
      }));
    }
    const buckets = Map.groupBy(rows, ({ atMs }) => Math.floor(atMs / bucketMs) * bucketMs);
    return [...buckets].slice(0, limit).map(([atMs, inside]) => {
      const values = inside.map(({ value }) => value);
      return {
        atMs,
        value: values.reduce((sum, value) => sum + value, 0) / values.length,
        least: Math.min(...values),
        most: Math.max(...values),
        count: values.length,
      };
    });
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async summaries(): Promise<readonly SeriesSummary[]> {
    const found = new Map<string, SeriesSummary>();
    for (const { sensor, metric, atMs } of this.#rows.values()) {
      const key = `${sensor} ${metric}`;
      const known = found.get(key);
      found.set(key, {
        sensor,
        metric,
        readings: (known?.readings ?? 0) + 1,
        lastAtMs: Math.max(known?.lastAtMs ?? 0, atMs),
      });
    }
    return [...found.keys()].sort().map((key) => found.get(key)!);
  }

  prune(rowsMax: number): Promise<number> {
    return this.#disk.write("readings", this.#epoch, (remember) => {
      const surplus = this.#rows.size - rowsMax;
      if (surplus <= 0) return 0;
      const old = [...this.#rows].filter(([, { published }]) => published)
        .sort(([, a], [, b]) => a.atMs - b.atMs).slice(0, surplus);
      for (const [key, row] of old) {
        remember(() => this.#rows.set(key, row));
        this.#rows.delete(key);
      }
      return old.length;
    });
  }

  #isRepeated(sensor: string, { metric, atMs, sequence, value }: Reading): boolean {
    if (sequence === null) return false;
    let before: StoredReading | undefined;
    let after: StoredReading | undefined;
    for (const row of this.#rows.values()) {
      if (row.sensor !== sensor || row.metric !== metric || row.atMs === atMs) continue;
      if (Math.abs(row.atMs - atMs) >= REPEATED_MS) continue;
      if (row.atMs < atMs && !(before !== undefined && before.atMs >= row.atMs)) before = row;
      if (row.atMs > atMs && !(after !== undefined && after.atMs <= row.atMs)) after = row;
    }
    return [before, after].some((one) => one?.sequence === sequence && one.value === value);
  }

  get #rows(): MemoryReadingsTable {
    return this.#disk.tables.readings;
  }
}

function inOrder(a: Reading, b: Reading): number {
  return a.atMs - b.atMs || (a.sequence ?? -1) - (b.sequence ?? -1) ||
    (a.metric < b.metric ? -1 : a.metric > b.metric ? 1 : 0);
}

function readingOf({ metric, value, atMs, sequence }: StoredReading): Reading {
  return { metric, value, atMs, sequence };
}
