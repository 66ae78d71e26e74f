/** Readings on their way into blocks: many at once, so that a reading costs little. */
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import {
  encodeReadings,
  METRICS_MAX,
  type Reading,
  READINGS_MAX,
  READINGS_MEDIA_TYPE,
  SENSORS_TOPIC,
  sensorTag,
  SPAN_MS_MAX,
} from "../../protocols/sensors/readings.ts";
import type { WaitingReadings } from "../../store/readings.ts";
import type { Outcome } from "../handle.ts";
import type { TaskOutcome } from "../kernel/actor.ts";
import { replyOnce } from "../kernel/reply_once.ts";
import type { SensorsDependencies } from "./sensors.ts";
import type { Of, SensorsContext, SensorsState } from "./state.ts";

const BATCH_MS = 60_000;
/** So many readings are not kept waiting. */
const BATCH_READINGS = 1_000;
/** After a refusal of the publisher (no mesh, disk full) it is tried again after this long, ms. */
const RETRY_MS = 60_000;
/** The publisher has an answer by then, or the outcome is unknown and the same blocks are asked for again, ms. */
const PUBLISH_MS = 120_000;
/** Sensors in one request to the publisher. */
const SENSORS_AT_ONCE = 64;

/** Sees to it that what waits is put into blocks. */
export function scheduleBatch(
  context: SensorsContext,
  state: SensorsState,
  deps: Pick<SensorsDependencies, "batchMs">,
): void {
  if (state.batch !== "idle" || state.waiting === 0) return;
  // Started anew by every reading, a timer would never be due.
  if (state.waiting >= BATCH_READINGS) return context.startTimer("batch", 0, { type: "batchDue" });
  if (state.batchTimer) return;
  state.batchTimer = true;
  context.startTimer("batch", deps.batchMs ?? BATCH_MS, { type: "batchDue" });
}

export function onBatchDue(
  context: SensorsContext,
  state: SensorsState,
  deps: SensorsDependencies,
): void {
  state.batchTimer = false;
  if (state.batch !== "idle" || state.mesh === null) return;
  state.batch = "reading";
  context.perform(
    () => deps.store.readings.waiting(READINGS_MAX),
    (outcome) => ({ type: "waitingRead", outcome }),
  );
}

export function onWaitingRead(
  context: SensorsContext,
  state: SensorsState,
  outcome: TaskOutcome<readonly WaitingReadings[]>,
  deps: SensorsDependencies,
): void {
  if (!outcome.ok) return retryLater(context, state, String(outcome.error));
  const batch = outcome.value.slice(0, SENSORS_AT_ONCE).map(fitting);
  if (batch.length === 0) {
    state.batch = "idle";
    state.waiting = 0;
    return;
  }
  const drafts = batch.map(({ sensor, readings }): BlockDraft => ({
    kind: "put",
    topic: SENSORS_TOPIC,
    tags: [sensorTag(sensor)],
    mediaType: READINGS_MEDIA_TYPE,
    body: encodeReadings(sensor, readings),
  }));
  // The same readings asked for again, after a crash or without an answer, are the same blocks.
  const idempotencyKey = deps.crypto.sha256(...drafts.map(({ body }) => body)).toHex();
  const request = ++state.requests;
  state.batch = { request, readings: batch };
  const reply = context.spawn(
    `publish.${request}`,
    replyOnce(
      context.self,
      (outcome: Outcome<readonly Block[]>) => ({ type: "published" as const, request, outcome }),
    ),
    {
      restart: "temporary",
    },
  );
  context.send(deps.publisher, { type: "publish", drafts, idempotencyKey, replyTo: reply });
  context.startTimer("publish", PUBLISH_MS, { type: "publishDue" });
}

/** As many of the earliest readings as one block takes. */
function fitting({ sensor, readings }: WaitingReadings): WaitingReadings {
  const metrics = new Set<string>();
  const fits: Reading[] = [];
  const firstMs = readings[0]?.atMs ?? 0;
  for (const reading of readings) {
    if (reading.atMs - firstMs > SPAN_MS_MAX) break;
    if (!metrics.has(reading.metric) && metrics.size === METRICS_MAX) break;
    metrics.add(reading.metric);
    fits.push(reading);
  }
  return { sensor, readings: fits };
}

export function onPublished(
  context: SensorsContext,
  state: SensorsState,
  { request, outcome }: Of<"published">,
  deps: SensorsDependencies,
): void {
  const { batch } = state;
  if (typeof batch !== "object" || batch.request !== request) return;
  context.cancelTimer("publish");
  if (outcome.type === "refused") return retryLater(context, state, outcome.message);
  context.perform(async () => {
    for (const { sensor, readings } of batch.readings) {
      await deps.store.readings.markPublished(sensor, readings);
    }
  }, (marked) => ({ type: "marked", outcome: marked }));
}

export function onMarked(
  context: SensorsContext,
  state: SensorsState,
  outcome: TaskOutcome<void>,
  deps: SensorsDependencies,
): void {
  const { batch } = state;
  if (typeof batch !== "object") return;
  if (!outcome.ok) return retryLater(context, state, String(outcome.error));
  const rows = batch.readings.reduce((sum, { readings }) => sum + readings.length, 0);
  // At least one more look: more may wait than was counted.
  state.waiting = Math.max(1, state.waiting - rows);
  state.batch = "idle";
  scheduleBatch(context, state, deps);
}

/** The publisher has not answered for long: what it did is unknown, and asked for again under the same key. */
export function onPublishDue(context: SensorsContext, state: SensorsState): void {
  if (typeof state.batch === "object") retryLater(context, state, "the publisher did not answer");
}

function retryLater(context: SensorsContext, state: SensorsState, why: string): void {
  context.log.write("warning", "readings wait for their block", { why });
  state.batch = "idle";
  state.batchTimer = true;
  context.startTimer("batch", RETRY_MS, { type: "batchDue" });
}
