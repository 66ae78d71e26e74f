/** Readings on their way in: checked, made durable, then acknowledged. */
import type { KeptMessage } from "../../platform/broker.ts";
import { errorText } from "../../platform/error_text.ts";
import { READY_NAME } from "../../protocols/sensors/mqtt.ts";
import { decodePayload } from "../../protocols/sensors/payload.ts";
import { problemOfReading, type Reading, READINGS_MAX } from "../../protocols/sensors/readings.ts";
import { nodeEvents } from "../events.ts";
import type { Outcome, Refusal } from "../handle.ts";
import type { IngestResult } from "../sensor_handle.ts";
import { scheduleBatch } from "./batches.ts";
import type { Answer } from "./commands.ts";
import type { SensorsDependencies } from "./sensors.ts";
import type { Of, SensorsContext, SensorsState } from "./state.ts";

/** Ingests under way at once, at most; a view that comes then is told to come later. */
export const INGESTING_MAX = 256;
/** Parts of a subject after "sensor": the sensor, and its metric or none. */
const SUBJECT = /\.sensor\.([^.]+)(?:\.([^.]+))?$/;

/** Over HTTP. */
export function onIngest(
  context: SensorsContext,
  state: SensorsState,
  command: Of<"ingest">,
  deps: SensorsDependencies,
): void {
  const { sensor, replyTo } = command;
  const reply = (outcome: Outcome<IngestResult>) => context.send(replyTo, outcome);
  const problem = problemOfSensor(state, sensor);
  if (problem !== null) return reply(problem);
  if (state.ingesting >= INGESTING_MAX) {
    return reply(refusal("busy", `${state.ingesting} others are being stored; try again soon`));
  }
  if (command.readings.length === 0 || command.readings.length > READINGS_MAX) {
    const count = command.readings.length;
    return reply(refusal("invalid", `there are ${count}, expected 1 to ${READINGS_MAX}`));
  }
  const receivedAtMs = context.wallMs();
  const readings = command.readings.map((one): Reading => ({
    metric: one.metric,
    value: one.value,
    atMs: one.atMs ?? receivedAtMs,
    sequence: one.sequence ?? null,
  }));
  for (const reading of readings) {
    const wrong = problemOfReading(reading);
    if (wrong !== undefined) return reply(refusal("invalid", wrong));
  }
  store(
    context,
    state,
    { sensor, readings, answer: (outcome) => ({ to: replyTo, outcome }) },
    deps,
  );
}

/** Over MQTT: the broker has kept it, and gives it again until we say that it is durable here, or never can be. */
export function onMessageKept(
  context: SensorsContext,
  state: SensorsState,
  message: KeptMessage,
  deps: SensorsDependencies,
): void {
  const [, sensor = "", metric = null] = SUBJECT.exec(message.subject) ?? [];
  if (sensor === READY_NAME) return message.acknowledge();
  // What cannot be stored yet comes again by itself.
  if (!state.loaded || state.ingesting >= INGESTING_MAX) return;
  const unknown = problemOfSensor(state, sensor);
  const decoded = unknown === null
    // By the broker's clock: given to us again, it is the same reading.
    ? decodePayload(message.bytes, { metric, receivedAtMs: message.keptAtMs })
    : { ok: false as const, reason: unknown.message };
  if (!decoded.ok) {
    state.refused += 1;
    context.log.write("warning", "message of a sensor refused", {
      subject: message.subject.slice(0, 200),
      reason: decoded.reason,
    });
    return message.reject(decoded.reason);
  }
  const answer = (outcome: Outcome<IngestResult>): Answer => ({
    call: () => {
      if (outcome.type === "done") message.acknowledge();
    },
  });
  store(context, state, { sensor, readings: decoded.message, answer }, deps);
}

function store(
  context: SensorsContext,
  state: SensorsState,
  { sensor, readings, answer }: {
    readonly sensor: string;
    readonly readings: readonly Reading[];
    readonly answer: (outcome: Outcome<IngestResult>) => Answer;
  },
  deps: SensorsDependencies,
): void {
  state.ingesting += 1;
  context.perform(
    () => deps.store.readings.add(sensor, readings, false),
    (outcome) => ({ type: "ingested", sensor, outcome, answer }),
  );
}

export function onIngested(
  context: SensorsContext,
  state: SensorsState,
  { sensor, outcome, answer }: Of<"ingested">,
  deps: SensorsDependencies,
): void {
  state.ingesting -= 1;
  if (!outcome.ok) {
    const why = errorText(outcome.error);
    return tell(context, answer(refusal("unavailable", why)));
  }
  const { accepted } = outcome.value;
  tell(context, answer({ type: "done", value: outcome.value }));
  if (accepted === 0) return;
  state.waiting += accepted;
  context.publish(nodeEvents, { type: "readingsStored", sensor, count: accepted });
  scheduleBatch(context, state, deps);
}

function tell(context: SensorsContext, answer: Answer): void {
  if ("call" in answer) answer.call();
  else context.send(answer.to, answer.outcome);
}

function problemOfSensor(state: SensorsState, sensor: string): Refusal | null {
  if (!state.loaded) return refusal("busy", "the node is still starting; try again");
  const record = state.sensors.get(sensor);
  const name = JSON.stringify(sensor.slice(0, 60));
  if (record === undefined) {
    return refusal("notFound", `no sensor ${name} was added on this device; submind sensors add`);
  }
  return record.revoked ? refusal("notPermitted", `sensor ${name} was revoked`) : null;
}

function refusal(reason: Refusal["reason"], what: string): Refusal {
  return { type: "refused", reason, message: `Cannot store readings: ${what}` };
}
