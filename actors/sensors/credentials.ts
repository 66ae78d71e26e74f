/** Who may send readings: sensors are added and revoked by a person, one password each. */
import { base32nopad } from "@scure/base";
import { errorText } from "../../platform/error_text.ts";
import { isSensorName } from "../../protocols/sensors/readings.ts";
import type { Refusal } from "../handle.ts";
import type { SensorRecord } from "./commands.ts";
import { SENSOR_PREFIX } from "./indexing.ts";
import type { SensorsDependencies } from "./sensors.ts";
import type { Of, SensorsContext, SensorsState } from "./state.ts";

/** Sensors of one device, at most. */
export const SENSORS_MAX = 1_000;
/** 128 bits: no guessing, and a cheap hash is enough. */
const PASSWORD_BYTES = 16;
const NAME_CHARACTERS_MAX = 64;

export function onAddSensor(
  context: SensorsContext,
  state: SensorsState,
  { sensor, displayName, replyTo }: Of<"addSensor">,
  deps: SensorsDependencies,
): void {
  const refuse = (reason: Refusal["reason"], why: string) =>
    context.send(replyTo, refusal(reason, `Cannot add sensor: ${why}`));
  if (!state.loaded) return refuse("busy", "the node is still starting; try again");
  if (!isSensorName(sensor)) {
    return refuse(
      "invalid",
      `its name is ${
        JSON.stringify(sensor.slice(0, 60))
      }, expected 1 to 48 of lower-case letters, ` +
        'digits, "-" and "_", beginning with a letter or digit',
    );
  }
  if (displayName.length > NAME_CHARACTERS_MAX) {
    return refuse("invalid", `its display name is longer than ${NAME_CHARACTERS_MAX} characters`);
  }
  const known = state.sensors.get(sensor);
  if (state.saving.has(sensor)) return refuse("busy", `"${sensor}" is just being changed`);
  if (known !== undefined && !known.revoked) {
    return refuse("invalid", `"${sensor}" exists; revoke it first to give it a new password`);
  }
  if (known === undefined && state.sensors.size >= SENSORS_MAX) {
    return refuse("tooLarge", `there are ${state.sensors.size}, expected at most ${SENSORS_MAX}`);
  }
  const password = base32nopad.encode(context.random.bytes(PASSWORD_BYTES)).toLowerCase();
  const record: SensorRecord = {
    sensor,
    displayName: displayName === "" ? sensor : displayName,
    createdAtMs: context.wallMs(),
    passwordHash: deps.hashPassword(password, context.random),
    revoked: false,
  };
  save(context, state, { record, replyTo, answer: { password } }, deps);
}

export function onRevokeSensor(
  context: SensorsContext,
  state: SensorsState,
  { sensor, replyTo }: Of<"revokeSensor">,
  deps: SensorsDependencies,
): void {
  const known = state.sensors.get(sensor);
  const refuse = (reason: Refusal["reason"], why: string) =>
    context.send(replyTo, refusal(reason, `Cannot revoke sensor: ${why}`));
  if (known === undefined) {
    return refuse("notFound", `there is no ${JSON.stringify(sensor.slice(0, 60))} on this device`);
  }
  if (state.saving.has(sensor)) return refuse("busy", `"${sensor}" is just being changed`);
  save(context, state, { record: { ...known, revoked: true }, replyTo, answer: null }, deps);
}

function save(
  context: SensorsContext,
  state: SensorsState,
  { record, replyTo, answer }: Pick<Of<"saved">, "record" | "replyTo" | "answer">,
  deps: SensorsDependencies,
): void {
  state.saving.add(record.sensor);
  context.perform(
    () => deps.store.settings.set({ [`${SENSOR_PREFIX}${record.sensor}`]: record }),
    (outcome) => ({ type: "saved", record, outcome, replyTo, answer }),
  );
}

export function onSaved(
  context: SensorsContext,
  state: SensorsState,
  { record, outcome, replyTo, answer }: Of<"saved">,
  deps: SensorsDependencies,
): void {
  state.saving.delete(record.sensor);
  if (!outcome.ok) {
    const why = errorText(outcome.error);
    return context.send(replyTo, refusal("unavailable", `Cannot store sensor: ${why}`));
  }
  state.sensors.set(record.sensor, record);
  deps.onSensorsChanged?.([...state.sensors.values()]);
  context.send(replyTo, { type: "done", value: answer });
}

function refusal(reason: Refusal["reason"], message: string): Refusal {
  return { type: "refused", reason, message };
}
