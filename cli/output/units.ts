/** Numbers with units, for people. */
import type { Language } from "../texts.ts";

const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** "1.4 MB" (powers of 1,000). */
export function formatBytes(bytes: number, language: Language): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: BYTE_UNITS[unit] ?? "byte",
    unitDisplay: unit === 0 ? "long" : "short",
    maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0,
  }).format(value);
}

/** "340 ms", "12.5 s", "3 min", "2 h", "5 d". */
export function formatDuration(ms: number, language: Language): string {
  const steps = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1_000, "s"],
  ] as const;
  const [size, unit] = steps.find(([size]) => ms >= size) ?? [1, "ms"];
  const digits = unit === "s" && ms < 60_000 ? 1 : 0;
  return `${
    new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(ms / size)
  } ${unit}`;
}

/** "12,345" or "12.345". */
export function formatCount(count: number, language: Language): string {
  return new Intl.NumberFormat(language).format(count);
}

/** The day and minute a claimed time stands for, in this device's time zone. */
export function formatTime(ms: number, language: Language): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(ms);
}
