/** English texts of `submind sensors`. */
export const enSensors = {
  sensors: {
    help: {
      sensors: "Show sensors and what they have measured.",
      add: "Let a sensor in and print its password once.",
      revoke: "Withdraw the password of a sensor; its readings stay.",
      show: "Show a time series as a plot.",
      send: "Store readings by hand, as a sensor would send them.",
    },
    options: {
      sensor: "The name of a sensor, like attic; of another device's, like attic@a2b3c4d5.",
      name: "What people read: Attic window.",
      metric: "What was measured, like temperature_c.",
      values: "Values as METRIC=NUMBER, like temperature_c=21.5.",
      since: "How far back: 30min, 24h, 7d.",
      bucket: "Sum up stretches of this length: 10min, 1h; default: so that it fits the screen.",
    },
    sensor: "Sensor",
    readings: "Readings",
    metrics: "Metrics",
    lastReading: "Last reading",
    never: "never",
    revoked: "revoked",
    none: "No sensors yet. Let one in with: submind sensors add NAME",
    added: (sensor: string) => `Sensor ${sensor} is let in. Its password is shown this once:`,
    user: "User",
    password: "Password",
    mqttTopic: "MQTT topic",
    mqtt: "MQTT",
    http: "HTTP",
    noMqtt: "no broker with MQTT runs on this device (submind doctor says why)",
    noMesh: "after this device has a mesh: add something, or pair it",
    isRevoked: (sensor: string) => `Sensor ${sensor} is revoked.`,
    stored: (accepted: number, duplicates: number) =>
      duplicates === 0
        ? `${accepted} stored`
        : `${accepted} stored, ${duplicates} were here already`,
    badValue: (text: string) => `"${text}" is no value.`,
    badValueHint: "Write METRIC=NUMBER, like temperature_c=21.5.",
    nothing: "No readings in this time.",
    summary: (points: string, least: string, mean: string, most: string) =>
      `${points} readings · least ${least} · mean ${mean} · most ${most}`,
  },
};
