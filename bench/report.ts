/** Figures as lines for machines, tables for people, and their sections in `docs/benchmarks.md`, one for each bench between two marks. Pure. */
import type { Figure } from "./harness.ts";

/** Where the measured sections of the document begin and end; new ones are put before the end. */
export const MARKS = ["<!-- figures: begin -->", "<!-- figures: end -->"] as const;

/** Where the section of one bench begins and ends. */
export function marksOf(bench: string): readonly [begin: string, end: string] {
  return [`<!-- figures of ${bench}: begin -->`, `<!-- figures of ${bench}: end -->`];
}

/** What was measured, on what, when and how. */
export interface Report {
  /** Name of the bench. */
  readonly bench: string;
  readonly machine: string;
  /** ISO date. */
  readonly date: string;
  readonly command: string;
  readonly figures: readonly Figure[];
}

/** One line of JSON: always the same five keys, and a note where there is one. */
export function figureLine(figure: Figure): string {
  const { name, value, unit, limit = null, ratio = null, note } = figure;
  return JSON.stringify({
    name,
    value,
    unit,
    limit,
    ratio,
    ...(note === undefined || note === "" ? {} : { note }),
  });
}

/** Few digits, enough to compare: three significant ones below 1,000, whole numbers above. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 1_000
    ? Math.round(value).toLocaleString("en")
    : String(Number(value.toPrecision(3)));
}

/** The section of one bench in Markdown, without its marks. */
function reportMarkdown(report: Report): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const rows = report.figures.map(({ name, value, unit, limit, ratio, note }) =>
    `| ${
      [
        cell(name),
        `${formatNumber(value)} ${unit}`,
        limit === undefined ? "" : formatNumber(limit),
        ratio === undefined ? "" : formatNumber(ratio),
        cell(note ?? ""),
      ].join(" | ")
    } |`
  );
  return [
    `### ${report.bench}`,
    "",
    `Measured on ${report.date} with \`${report.command}\` on ${report.machine}.`,
    "",
    "| figure | value | limit | ratio | note |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** The document with the section of this bench replaced, or with one more after the others when it had none. Other benches keep theirs. */
export function withReport(document: string, report: Report): string {
  const [begin, end] = marksOf(report.bench);
  const section = `${begin}\n${reportMarkdown(report)}\n${end}`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from !== -1 && to > from) {
    return document.slice(0, from) + section + document.slice(to + end.length);
  }
  const [first, last] = MARKS;
  const place = document.indexOf(last);
  if (place === -1) return `${document.trimEnd()}\n\n${first}\n${section}\n\n${last}\n`;
  return `${document.slice(0, place)}${section}\n\n${document.slice(place)}`;
}
