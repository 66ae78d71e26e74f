/** Where sensors publish: the MQTT topic and the NATS subject are two spellings of one name. */

/** Topic prefix of one sensor; a metric may follow: "kiana/<tag>/sensor/attic/temperature_c". */
export function sensorMqttTopic(tag: string, sensor: string): string {
  return `kiana/${tag}/sensor/${sensor}`;
}

/** The subject of everything that sensors of a mesh publish. */
export function sensorSubjects(tag: string): string {
  return `kiana.${tag}.sensor.>`;
}

/** No sensor has this name: a message under it asks whether the broker keeps messages at all. */
export const READY_NAME = "_";

/** The subject of such a message. */
export function sensorReadySubject(tag: string): string {
  return `kiana.${tag}.sensor.${READY_NAME}`;
}
