/** The repository of sensor readings: part of the Store port. Rows are durable when a promise has resolved. */
import type { Reading } from "../protocols/sensors/readings.ts";

/** What is asked of a time series. */
export interface ReadingsQuery {
  readonly sensor: string;
  readonly metric: string;
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  /** Mean, least and most of each stretch of this length, which begins at a multiple of it; 0: every reading by itself. */
  readonly bucketMs: number;
  /** 1–10,000; the earliest are given. */
  readonly limit: number;
}

/** One reading, or the readings of one stretch. */
export interface ReadingsPoint {
  readonly atMs: number;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

export interface SeriesSummary {
  readonly sensor: string;
  readonly metric: string;
  readonly readings: number;
  readonly lastAtMs: number;
}

/** Readings of a sensor that are in no block yet. */
export interface WaitingReadings {
  readonly sensor: string;
  readonly readings: readonly Reading[];
}

export const POINTS_MAX = 10_000;
/** A sensor whose message was not acknowledged sends it again within this time, ms. */
export const REPEATED_MS = 10 * 60_000;

export interface ReadingsRepository {
  /**
   * Keeps readings in one transaction. Equal (metric, atMs, sequence) is kept once: the first one stays. So is a reading that a sensor without a
   * clock has sent again: one with the counter and value of the reading next to it in time, less than `REPEATED_MS` away.
   *
   * @param published true for readings that came in a block
   */
  add(
    sensor: string,
    readings: readonly Reading[],
    published: boolean,
  ): Promise<{ readonly accepted: number; readonly duplicates: number }>;
  /** At most `limit` readings of each sensor that are in no block yet, earliest first; sensors ascending. */
  waiting(limit: number): Promise<readonly WaitingReadings[]>;
  /** These are in a durable block now. */
  markPublished(sensor: string, readings: readonly Reading[]): Promise<void>;
  series(query: ReadingsQuery): Promise<readonly ReadingsPoint[]>;
  /** By sensor, then metric, ascending. */
  summaries(): Promise<readonly SeriesSummary[]>;
  /** Forgets the earliest readings that are in blocks until at most `rowsMax` rows are left (or only waiting ones); how many it forgot. */
  prune(rowsMax: number): Promise<number>;
}
