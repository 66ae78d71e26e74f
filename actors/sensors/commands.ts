/** Commands of the sensors actor: readings come in over MQTT or HTTP, are batched into blocks, and can be asked for as time series. */
import type { Outcome } from "../handle.ts";
import type { Ref } from "../kernel/actor.ts";
import type { IngestResult, NewReading } from "../sensor_handle.ts";

export type SensorsCommand = /** Readings over HTTP; answers when they are durable. */
  {
    readonly type: "ingest";
    readonly sensor: string;
    readonly readings: readonly NewReading[];
    readonly replyTo: Ref<Outcome<IngestResult>>;
  };
