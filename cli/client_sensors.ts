/** Sensors of the running node over HTTP. */
import type {
  IngestResult,
  SensorCredentials,
  SensorView,
  SeriesPoint,
  SeriesQuery,
} from "../actors/sensor_handle.ts";
import type { GatewayHttp } from "./client_http.ts";

/** The routes of sensors; see `NodeClient.sensors`. */
export class SensorClient {
  readonly #http: GatewayHttp;

  constructor(http: GatewayHttp) {
    this.#http = http;
  }

  async list(): Promise<readonly SensorView[]> {
    return (await this.#http.json<{ sensors: readonly SensorView[] }>("/v1/sensors")).sensors;
  }

  add(sensor: string, displayName: string): Promise<SensorCredentials> {
    return this.#http.json("/v1/sensors", { method: "POST", json: { sensor, displayName } });
  }

  revoke(sensor: string): Promise<SensorView> {
    return this.#http.json(`/v1/sensors/${encodeURIComponent(sensor)}`, { method: "DELETE" });
  }

  send(
    sensor: string,
    values: Readonly<Record<string, number>>,
  ): Promise<IngestResult> {
    return this.#http.json(`/v1/sensors/${encodeURIComponent(sensor)}/readings`, {
      method: "POST",
      json: values,
    });
  }

  async series({ sensor, ...query }: SeriesQuery): Promise<readonly SeriesPoint[]> {
    const path = `/v1/sensors/${encodeURIComponent(sensor)}/series`;
    return (await this.#http.json<{ points: readonly SeriesPoint[] }>(path, { query })).points;
  }
}
