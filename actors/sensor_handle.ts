/** Sensors as the node's views see them. Part of `NodeHandle`; field names are the same here, in JSON, in the CLI and in the docs. */
import type { Outcome } from "./handle.ts";

/** One measurement. */
export interface NewReading {
  /** "temperature": 1–64 of letters, digits, "_", "-", "."; may end in a unit ("temperature_c"). */
  readonly metric: string;
  readonly value: number;
  /** When it was measured, ms since the epoch; default: when it arrived. */
  readonly atMs?: number;
  /** The sensor's own counter; the same (metric, atMs, sequence) twice is one reading. */
  readonly sequence?: number;
}

export interface IngestResult {
  readonly accepted: number;
  readonly duplicates: number;
}

export interface SensorView {
  /** 1–48 of lower-case letters, digits, "-", "_". */
  readonly sensor: string;
  readonly displayName: string;
  readonly createdAtMs: number;
  readonly lastReadingAtMs: number | null;
  readonly readings: number;
  readonly metrics: readonly string[];
  /** True when its credentials were withdrawn. */
  readonly revoked: boolean;
}

/** What a sensor is given once, to log in by MQTT or HTTP. */
export interface SensorCredentials {
  readonly sensor: string;
  /** MQTT user name and HTTP basic-auth user. */
  readonly user: string;
  readonly password: string;
  /** "kiana/<mesh>/sensor/<id>/<metric>". */
  readonly mqttTopic: string;
  /** "mqtt://192.168.1.7:1883"; empty when no leaf with MQTT runs on this device. */
  readonly mqttUrl: string;
  readonly httpUrl: string;
}

export interface SeriesQuery {
  readonly sensor: string;
  readonly metric: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Mean, least and most per bucket of this length; 0: every reading. */
  readonly bucketMs: number;
  /** 1–10,000. */
  readonly limit: number;
}

export interface SeriesPoint {
  readonly atMs: number;
  /** Mean of the bucket, or the reading. */
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

export interface SensorHandle {
  sensors(): Promise<readonly SensorView[]>;
  addSensor(
    sensor: { readonly sensor: string; readonly displayName: string },
  ): Promise<Outcome<SensorCredentials>>;
  revokeSensor(sensor: string): Promise<Outcome<SensorView>>;
  /** True when this user and password belong to a sensor that is not revoked. */
  authenticate(user: string, password: string): Promise<boolean>;
  ingest(sensor: string, readings: readonly NewReading[]): Promise<Outcome<IngestResult>>;
  series(query: SeriesQuery): Promise<Outcome<readonly SeriesPoint[]>>;
}
