/** Readings of a SQLite store. */
import type { Reading } from "../protocols/sensors/readings.ts";
import { checkRange } from "./limits.ts";
import {
  POINTS_MAX,
  type ReadingsPoint,
  type ReadingsQuery,
  type ReadingsRepository,
  REPEATED_MS,
  type SeriesSummary,
  type WaitingReadings,
} from "./readings.ts";
import type { SqliteContext } from "./sqlite_blocks.ts";
import { guarded } from "./sqlite_errors.ts";

/** Stands for "no sequence" in the key; a sensor's counter is never negative. */
const NO_SEQUENCE = -1;

interface Row {
  readonly metric: string;
  readonly atMs: number;
  readonly sequence: number;
  readonly value: number;
}

/** The readings on the store's one connection. */
export class SqliteReadings implements ReadingsRepository {
  readonly #context: SqliteContext;

  constructor(context: SqliteContext) {
    this.#context = context;
  }

  add(
    sensor: string,
    readings: readonly Reading[],
    published: boolean,
  ): Promise<{ readonly accepted: number; readonly duplicates: number }> {
    const wanted = [...readings];
    return guarded(`store ${wanted.length} readings`, () =>
      this.#transaction(() => {
        const { database } = this.#context;
        let accepted = 0;
        for (const reading of wanted) {
          const key = this.#seriesKey(sensor, reading.metric);
          if (this.#isRepeated(key, reading)) continue;
          const inserted = database.run(
            "INSERT INTO readings (series_key, at_ms, sequence, value, published) VALUES (?, ?, ?, CAST(? AS REAL), ?) " +
              "ON CONFLICT (series_key, at_ms, sequence) DO NOTHING",
            key,
            reading.atMs,
            reading.sequence ?? NO_SEQUENCE,
            reading.value,
            published ? 1 : 0,
          );
          if (inserted === 0) {
            if (published) this.#publish(key, reading);
            continue;
          }
          accepted += 1;
          database.run(
            "UPDATE series SET readings = readings + 1, last_at_ms = max(last_at_ms, ?) WHERE key = ?",
            reading.atMs,
            key,
          );
        }
        return { accepted, duplicates: wanted.length - accepted };
      }));
  }

  waiting(limit: number): Promise<readonly WaitingReadings[]> {
    return guarded("read readings", () =>
      this.#connection(() => {
        const { database } = this.#context;
        const sensors = database.all<{ sensor: string }>(
          "SELECT DISTINCT sensor FROM series WHERE key IN (SELECT series_key FROM readings WHERE published = 0)",
        );
        return sensors.map(({ sensor }) => sensor).sort().map((sensor) => ({
          sensor,
          readings: database.all<Row>(
            "SELECT metric, at_ms AS atMs, sequence, value FROM readings JOIN series ON key = series_key " +
              "WHERE published = 0 AND sensor = ? ORDER BY at_ms, sequence, metric LIMIT ?",
            sensor,
            limit,
          ).map(readingOf),
        }));
      }));
  }

  markPublished(sensor: string, readings: readonly Reading[]): Promise<void> {
    const wanted = [...readings];
    return guarded("mark readings as published", () =>
      this.#transaction(() => {
        for (const reading of wanted) {
          this.#publish(this.#seriesKey(sensor, reading.metric), reading);
        }
      }));
  }

  series(query: ReadingsQuery): Promise<readonly ReadingsPoint[]> {
    checkRange("limit", query.limit, 1, POINTS_MAX);
    const { sensor, metric, fromMs, toMs, bucketMs, limit } = query;
    return guarded("read a time series", () =>
      this.#connection(() => {
        const { database } = this.#context;
        const key = database.first<{ key: number }>(
          "SELECT key FROM series WHERE sensor = ? AND metric = ?",
          sensor,
          metric,
        )?.key;
        if (key === undefined) return [];
        if (bucketMs === 0) {
          return database.all<{ atMs: number; value: number }>(
            "SELECT at_ms AS atMs, value FROM readings WHERE series_key = ? AND at_ms >= ? AND at_ms < ? " +
              "ORDER BY at_ms, sequence LIMIT ?",
            key,
            fromMs,
            toMs,
            limit,
          ).map(({ atMs, value }) => ({ atMs, value, least: value, most: value, count: 1 }));
        }
        return database.all<ReadingsPoint>(
          "SELECT (at_ms / ?1) * ?1 AS atMs, avg(value) AS value, min(value) AS least, max(value) AS most, count(*) AS count " +
            "FROM readings WHERE series_key = ?2 AND at_ms >= ?3 AND at_ms < ?4 GROUP BY at_ms / ?1 ORDER BY 1 LIMIT ?5",
          bucketMs,
          key,
          fromMs,
          toMs,
          limit,
        ).map((row) => ({ ...row }));
      }));
  }

  summaries(): Promise<readonly SeriesSummary[]> {
    return guarded(
      "read sensors",
      () =>
        this.#connection(() =>
          this.#context.database.all<SeriesSummary>(
            "SELECT sensor, metric, readings, last_at_ms AS lastAtMs FROM series WHERE readings > 0 ORDER BY sensor, metric",
          ).map((row) => ({ ...row }))
        ),
    );
  }

  prune(rowsMax: number): Promise<number> {
    return guarded("forget old readings", () =>
      this.#transaction(() => {
        const { database } = this.#context;
        const rows = database.first<{ rows: number }>(
          "SELECT coalesce(sum(readings), 0) AS rows FROM series",
        )?.rows ?? 0;
        if (rows <= rowsMax) return 0;
        const forgotten = database.run(
          "DELETE FROM readings WHERE (series_key, at_ms, sequence) IN (" +
            "SELECT series_key, at_ms, sequence FROM readings WHERE published = 1 ORDER BY at_ms LIMIT ?)",
          rows - rowsMax,
        );
        database.run(
          "UPDATE series SET readings = (SELECT count(*) FROM readings WHERE series_key = key)",
        );
        return forgotten;
      }));
  }

  #isRepeated(key: number, { atMs, sequence, value }: Reading): boolean {
    if (sequence === null) return false;
    const { database } = this.#context;
    type Neighbour = { readonly sequence: number; readonly value: number };
    const neighbours = [
      database.first<Neighbour>(
        "SELECT sequence, value FROM readings WHERE series_key = ? AND at_ms < ? AND at_ms > ? " +
          "ORDER BY at_ms DESC LIMIT 1",
        key,
        atMs,
        atMs - REPEATED_MS,
      ),
      // A broker that gives messages again does not keep their order.
      database.first<Neighbour>(
        "SELECT sequence, value FROM readings WHERE series_key = ? AND at_ms > ? AND at_ms < ? " +
          "ORDER BY at_ms LIMIT 1",
        key,
        atMs,
        atMs + REPEATED_MS,
      ),
    ];
    return neighbours.some((one) => one?.sequence === sequence && one.value === value);
  }

  #publish(key: number, { atMs, sequence }: Reading): void {
    this.#context.database.run(
      "UPDATE readings SET published = 1 WHERE series_key = ? AND at_ms = ? AND sequence = ?",
      key,
      atMs,
      sequence ?? NO_SEQUENCE,
    );
  }

  #seriesKey(sensor: string, metric: string): number {
    const { database } = this.#context;
    const find = () =>
      database.first<{ key: number }>(
        "SELECT key FROM series WHERE sensor = ? AND metric = ?",
        sensor,
        metric,
      )?.key;
    const known = find();
    if (known !== undefined) return known;
    database.run(
      "INSERT INTO series (sensor, metric, readings, last_at_ms) VALUES (?, ?, 0, 0)",
      sensor,
      metric,
    );
    return find()!;
  }

  #transaction<T>(work: () => T): Promise<T> {
    return this.#context.kysely.transaction().execute(() => Promise.resolve(work()));
  }

  /** In our turn on the connection: never between the statements of another's transaction. */
  #connection<T>(work: () => T): Promise<T> {
    return this.#context.kysely.connection().execute(() => Promise.resolve(work()));
  }
}

function readingOf({ metric, atMs, sequence, value }: Row): Reading {
  return { metric, value, atMs, sequence: sequence === NO_SEQUENCE ? null : sequence };
}
