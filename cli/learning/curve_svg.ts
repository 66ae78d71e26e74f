/** Accuracy and loss over the rounds as a standalone SVG: readable without this program, in print too, with every point's numbers on hovering. */
import type { RoundMetrics } from "../../actors/learning_handle.ts";
import type { Language } from "../texts.ts";
import type { ShownMetric } from "./figures.ts";

export interface Curves {
  readonly title: string;
  readonly subtitle: string;
  /** At least one; oldest first. */
  readonly rounds: readonly RoundMetrics[];
  readonly words: {
    readonly round: string;
    readonly accuracy: string;
    readonly loss: string;
    readonly held: string;
    readonly ownLoss: string;
    readonly heldLoss: string;
  };
  /** The task's own metrics; shares of examples are drawn beside the accuracy. */
  readonly own: readonly ShownMetric[];
  readonly language: Language;
}

interface Line {
  readonly label: string;
  readonly color: string;
  readonly dash?: string;
  readonly points: readonly Point[];
}

interface Point {
  readonly round: number;
  readonly value: number;
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly isShare: boolean;
}

const WIDTH = 860;
const LEFT = 72;
const RIGHT = 28;
const HEAD = 88;
const PANEL = 260;
const GAP = 74;
const FOOT = 56;
/** Told apart by people who see few colours, too (Okabe and Ito 2008). */
const BLUE = "#0072b2";
const ORANGE = "#d55e00";
const GREY = "#666666";
const SHARE_COLORS = ["#009e73", "#cc79a7", "#e69f00"] as const;
const SUBTITLE_MAX = 130;
/** What lies beyond is no figure to be drawn beside others. */
const VALUE_MAX = 1e9;
/** Less than this is no difference that a curve could show. */
const SPAN_MIN = 1e-9;

/** The picture as text. */
export function drawCurves(curves: Curves): string {
  const { rounds, words, title, subtitle, own } = curves;
  const of = (pick: (metrics: RoundMetrics) => number | null): readonly Point[] =>
    rounds.flatMap((metrics) => {
      const value = pick(metrics);
      return value === null || !(Math.abs(value) <= VALUE_MAX)
        ? []
        : [{ round: metrics.round, value }];
    });
  const sharesOf = (pick: (metrics: RoundMetrics) => number | null): readonly Point[] =>
    of(pick).filter(({ value }) => value >= 0 && value <= 1);
  const shares = own.filter(({ isShare }) => isShare).map(({ name, label }, i): Line => ({
    label,
    color: SHARE_COLORS[i % SHARE_COLORS.length]!,
    points: sharesOf(({ measured }) => measured?.[name] ?? null),
  }));
  const panels: readonly Panel[] = [
    {
      title: words.accuracy,
      isShare: true,
      lines: [{
        label: words.held,
        color: BLUE,
        points: sharesOf(({ accuracy }) => accuracy),
      }, ...shares],
    },
    {
      title: words.loss,
      isShare: false,
      lines: [
        { label: words.heldLoss, color: ORANGE, points: of(({ loss }) => loss) },
        {
          label: words.ownLoss,
          color: GREY,
          dash: "6 4",
          points: of(({ trainingLoss }) => trainingLoss),
        },
      ],
    },
  ];
  const shown = panels.filter(({ lines }) => lines.some(({ points }) => points.length > 0));
  const height = HEAD + shown.length * PANEL + Math.max(0, shown.length - 1) * GAP + FOOT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif" font-size="13" fill="#222222" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="30" font-size="19" font-weight="600">${escaped(title)}</text>`,
    `<text x="${LEFT}" y="50" font-size="11" fill="${GREY}">${
      escaped(shortened(subtitle, SUBTITLE_MAX))
    }</text>`,
    ...shown.flatMap((panel, index) => drawPanel(curves, panel, HEAD + index * (PANEL + GAP))),
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel(curves: Curves, panel: Panel, top: number): readonly string[] {
  const { rounds, language, words } = curves;
  const values = panel.lines.flatMap(({ points }) => points.map(({ value }) => value));
  const scale = panel.isShare ? shareScale(values) : scaleOf(
    values.reduce((least, value) => Math.min(least, value), 0),
    values.reduce((most, value) => Math.max(most, value), -Infinity),
  );
  const [first, last] = [rounds[0]!.round, rounds.at(-1)!.round];
  const x = (round: number) =>
    LEFT + (last === first ? 0.5 : (round - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) =>
    top + PANEL - (value - scale.least) / (scale.most - scale.least) * PANEL;
  const said = (value: number, digits: number) =>
    new Intl.NumberFormat(language, {
      ...(panel.isShare ? { style: "percent" } : {}),
      maximumFractionDigits: digits,
    }).format(value);
  const bottom = top + PANEL;
  const grid = scale.ticks.map((tick) =>
    `<path d="M${LEFT} ${at(y(tick))}H${WIDTH - RIGHT}" stroke="#e2e2e2"/>` +
    `<text x="${LEFT - 9}" y="${at(y(tick) + 4.5)}" text-anchor="end">${said(tick, 3)}</text>`
  );
  const marks = roundTicks(first, last).map((round) =>
    `<path d="M${at(x(round))} ${bottom}v5" stroke="${GREY}"/>` +
    `<text x="${at(x(round))}" y="${bottom + 20}" text-anchor="middle">${round}</text>`
  );
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  return [
    ...grid,
    ...marks,
    `<path d="M${LEFT} ${top}V${bottom}H${WIDTH - RIGHT}" fill="none" stroke="${GREY}"/>`,
    `<text x="${middle}" y="${bottom + 40}" text-anchor="middle">${escaped(words.round)}</text>`,
    `<text transform="translate(18 ${top + PANEL / 2}) rotate(-90)" text-anchor="middle">${
      escaped(panel.title)
    }</text>`,
    ...panel.lines.flatMap((line) => drawLine(line, { x, y, said: (value) => said(value, 4) })),
    ...drawLegend(panel, top, said),
  ];
}

function drawLine(
  { points, color, dash, label }: Line,
  { x, y, said }: {
    readonly x: (round: number) => number;
    readonly y: (value: number) => number;
    readonly said: (value: number) => string;
  },
): readonly string[] {
  if (points.length === 0) return [];
  const path = points.map(({ round, value }, index) =>
    `${index === 0 ? "M" : "L"}${at(x(round))} ${at(y(value))}`
  ).join("");
  const style = dash === undefined ? "" : ` stroke-dasharray="${dash}"`;
  const radius = points.length > 80 ? 1.4 : 2.8;
  return [
    `<path d="${path}" fill="none" stroke="${color}" stroke-width="2" stroke-linejoin="round"${style}/>`,
    ...points.map(({ round, value }) =>
      `<circle cx="${at(x(round))}" cy="${at(y(value))}" r="${radius}" fill="${color}"><title>${
        escaped(`${label}: ${round} · ${said(value)}`)
      }</title></circle>`
    ),
  ];
}

/** Above the panel, so that it never hides a curve. */
function drawLegend(
  panel: Panel,
  top: number,
  said: (value: number, digits: number) => string,
): readonly string[] {
  let x = LEFT;
  return panel.lines.filter(({ points }) => points.length > 0).flatMap((line) => {
    const newest = line.points.at(-1)!.value;
    const text = `${line.label}: ${said(newest, panel.isShare ? 1 : 3)}`;
    const from = x;
    // About the width of the letters; a legend needs no more.
    x += 62 + text.length * 6.7;
    return [
      `<path d="M${at(from)} ${top - 13}h28" stroke="${line.color}" stroke-width="2"${
        line.dash === undefined ? "" : ` stroke-dasharray="${line.dash}"`
      }/>`,
      `<text x="${at(from + 35)}" y="${top - 9}" font-size="12">${escaped(text)}</text>`,
    ];
  });
}

interface Scale {
  readonly least: number;
  readonly most: number;
  readonly ticks: readonly number[];
}

/** Shares end at 1; the lower end is where the curve leaves room for it to be read, and never more than half is cut off. */
function shareScale(values: readonly number[]): Scale {
  const least = values.every((value) => value >= 0.5) ? 0.5 : 0;
  const step = least === 0 ? 0.2 : 0.1;
  const ticks = Array.from(
    { length: Math.round((1 - least) / step) + 1 },
    (_, i) => least + i * step,
  );
  return { least, most: 1, ticks };
}

/** Steps of 1, 2 or 5 times a power of ten: about five of them. */
function scaleOf(least: number, most: number): Scale {
  const span = most - least > SPAN_MIN ? most - least : 1;
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const from = Math.floor(least / step);
  const count = Math.max(1, Math.ceil(most / step - 1e-9) - from);
  const ticks = Array.from({ length: count + 1 }, (_, i) => (from + i) * step);
  return { least: ticks[0]!, most: ticks.at(-1)!, ticks };
}

/** Whole rounds, at most about ten of them, the first and the last among them. */
function roundTicks(first: number, last: number): readonly number[] {
  const { ticks } = scaleOf(0, (last - first) * 0.6);
  const step = Math.max(1, Math.round(ticks[1] ?? 1));
  const between: number[] = [];
  for (let round = Math.ceil((first + 1) / step) * step; round < last; round += step) {
    if (round - first >= step / 2 && last - round >= step / 2) between.push(round);
  }
  return first === last ? [first] : [first, ...between, last];
}

function at(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function shortened(text: string, most: number): string {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}

// What XML 1.0 does not allow at all, and what has a meaning in it.
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu;
const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

function escaped(text: string): string {
  return text.replaceAll(FORBIDDEN, "�").replaceAll(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
}
