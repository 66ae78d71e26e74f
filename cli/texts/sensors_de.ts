/** Deutsche Texte von `submind sensors`. */
import type { enSensors } from "./sensors_en.ts";

export const deSensors: typeof enSensors = {
  sensors: {
    help: {
      sensors: "Sensoren zeigen und was sie gemessen haben.",
      add: "Einen Sensor einlassen und sein Kennwort einmal zeigen.",
      revoke: "Das Kennwort eines Sensors entziehen; seine Messwerte bleiben.",
      show: "Eine Zeitreihe als Kurve zeigen.",
      send: "Messwerte von Hand ablegen, wie ein Sensor sie schicken würde.",
    },
    options: {
      sensor: "Der Name eines Sensors, etwa attic; bei einem anderen Gerät attic@a2b3c4d5.",
      name: "Was Menschen lesen: Dachfenster.",
      metric: "Was gemessen wurde, etwa temperature_c.",
      values: "Werte als GRÖSSE=ZAHL, etwa temperature_c=21.5.",
      since: "Wie weit zurück: 30min, 24h, 7d.",
      bucket:
        "Abschnitte dieser Länge zusammenfassen: 10min, 1h; sonst so, dass es auf den Schirm passt.",
    },
    sensor: "Sensor",
    readings: "Messwerte",
    metrics: "Größen",
    lastReading: "Letzter Wert",
    never: "nie",
    revoked: "entzogen",
    none: "Noch keine Sensoren. Einen einlassen mit: submind sensors add NAME",
    added: (sensor) =>
      `Sensor ${sensor} ist eingelassen. Sein Kennwort wird nur dieses eine Mal gezeigt:`,
    user: "Benutzer",
    password: "Kennwort",
    mqttTopic: "MQTT-Thema",
    mqtt: "MQTT",
    http: "HTTP",
    noMqtt: "auf diesem Gerät läuft kein Broker mit MQTT (submind doctor sagt, warum)",
    noMesh: "sobald dieses Gerät ein Netz hat: etwas hinzufügen oder es koppeln",
    isRevoked: (sensor) => `Sensor ${sensor} ist ausgesperrt.`,
    stored: (accepted, duplicates) =>
      duplicates === 0
        ? `${accepted} abgelegt`
        : `${accepted} abgelegt, ${duplicates} waren schon da`,
    badValue: (text) => `„${text}“ ist kein Wert.`,
    badValueHint: "Bitte GRÖSSE=ZAHL schreiben, etwa temperature_c=21.5.",
    nothing: "Keine Messwerte in dieser Zeit.",
    summary: (points, least, mean, most) =>
      `${points} Messwerte · kleinster ${least} · Mittel ${mean} · größter ${most}`,
  },
};
