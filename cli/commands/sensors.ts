/** `submind sensors`: who may send readings, and what was measured. */
import { object, or } from "@optique/core/constructs";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { plot } from "simple-ascii-chart";
import type { SensorView, SeriesPoint } from "../../actors/sensor_handle.ts";
import { type Action, clientOf, type CommandContext, plain } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { timeOf } from "../mail/time_option.ts";
import { formatTable, printable } from "../output/table.ts";
import { formatCount, formatTime } from "../output/units.ts";
import type { Texts } from "../texts.ts";

/** The longest time that can be looked back on. */
const SINCE_MS_MAX = 3_650 * 86_400_000;
/** Points of a plot when nothing else was asked for. */
const PLOT_POINTS = 60;
const PLOT_HEIGHT = 12;
const POINTS_MAX = 10_000;

/** Parser of the command. */
export function sensorsCommand(texts: Texts) {
  const { options, help } = texts.sensors;
  const sensor = () =>
    argument(string({ metavar: "SENSOR" }), { description: plain(options.sensor) });
  const add = command(
    "add",
    map(
      object({
        sensor: sensor(),
        name: withDefault(
          option("--name", string({ metavar: "NAME" }), { description: plain(options.name) }),
          "",
        ),
      }),
      (found): Action => (context) => runAdd(context, found),
    ),
    { brief: plain(help.add) },
  );
  const revoke = command(
    "revoke",
    map(object({ sensor: sensor() }), (found): Action => async (context) => {
      const revoked = await clientOf(context).sensors.revoke(found.sensor);
      context.output.result(revoked, () => context.texts.sensors.isRevoked(revoked.sensor));
      return EXIT.ok;
    }),
    { brief: plain(help.revoke) },
  );
  const send = command(
    "send",
    map(
      object({
        sensor: sensor(),
        values: multiple(
          argument(string({ metavar: "METRIC=NUMBER" }), { description: plain(options.values) }),
          { min: 1 },
        ),
      }),
      (found): Action => (context) => runSend(context, found),
    ),
    { brief: plain(help.send) },
  );
  const show = command(
    "show",
    map(
      object({
        sensor: sensor(),
        metric: argument(string({ metavar: "METRIC" }), { description: plain(options.metric) }),
        since: withDefault(
          option("--since", string({ metavar: "TIME" }), { description: plain(options.since) }),
          "24h",
        ),
        bucket: optional(
          option("--bucket", string({ metavar: "TIME" }), { description: plain(options.bucket) }),
        ),
      }),
      (found): Action => (context) => runShow(context, found),
    ),
    { brief: plain(help.show) },
  );
  return command(
    "sensors",
    or(add, revoke, send, show, map(object({}), (): Action => runList)),
    { brief: plain(help.sensors) },
  );
}

async function runList(context: CommandContext) {
  const sensors = await clientOf(context).sensors.list();
  context.output.result({ sensors }, () => formatSensors(context, sensors));
  return EXIT.ok;
}

async function runAdd(
  context: CommandContext,
  { sensor, name }: { readonly sensor: string; readonly name: string },
) {
  const made = await clientOf(context).sensors.add(sensor, name);
  const texts = context.texts.sensors;
  context.output.result(made, () => {
    const rows = [
      [texts.user, made.user],
      [texts.password, made.password],
      [texts.mqttTopic, made.mqttTopic === "" ? texts.noMesh : made.mqttTopic],
      [texts.mqtt, made.mqttUrl === "" ? texts.noMqtt : made.mqttUrl],
      [texts.http, `POST ${made.httpUrl}/v1/sensors/${made.sensor}/readings`],
    ];
    const lines = rows.map(([label = "", value = ""]) => `  ${label.padEnd(12)} ${value}`);
    return [texts.added(made.sensor), ...lines].join("\n");
  });
  return EXIT.ok;
}

async function runSend(
  context: CommandContext,
  { sensor, values }: { readonly sensor: string; readonly values: readonly string[] },
) {
  const texts = context.texts.sensors;
  const pairs = values.map((text): [string, number] => {
    const [, metric = "", number = ""] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (metric !== "" && Number.isFinite(Number(number))) return [metric, Number(number)];
    throw new CliError(texts.badValue(text), {
      code: "usage",
      exitCode: EXIT.usage,
      hint: texts.badValueHint,
    });
  });
  const result = await clientOf(context).sensors.send(sensor, Object.fromEntries(pairs));
  context.output.result(result, () => texts.stored(result.accepted, result.duplicates));
  return EXIT.ok;
}

async function runShow(
  context: CommandContext,
  found: {
    readonly sensor: string;
    readonly metric: string;
    readonly since: string;
    readonly bucket: string | undefined;
  },
) {
  const span = (option: string, text: string) =>
    timeOf(context, { option, text, maxMs: SINCE_MS_MAX, most: "3650d" });
  const sinceMs = span("--since", found.since);
  const toMs = context.clock.wallMs() + 60_000;
  const bucketMs = found.bucket === undefined
    ? Math.ceil(sinceMs / PLOT_POINTS)
    : span("--bucket", found.bucket);
  const points = await clientOf(context).sensors.series({
    sensor: found.sensor,
    metric: found.metric,
    fromMs: Math.max(0, toMs - sinceMs),
    toMs,
    bucketMs,
    limit: POINTS_MAX,
  });
  context.output.result({ points }, () => formatSeries(context, found.metric, points));
  return EXIT.ok;
}

function formatSensors(context: CommandContext, sensors: readonly SensorView[]): string {
  const { language, output } = context;
  const texts = context.texts.sensors;
  if (sensors.length === 0) return texts.none;
  return formatTable(
    output.terminal,
    [texts.sensor, texts.readings, texts.metrics, texts.lastReading],
    sensors.map((one) => [
      (one.displayName === one.sensor
        ? one.sensor
        : `${one.sensor} (${printable(one.displayName)})`) +
      (one.revoked ? output.terminal.colors.red(` (${texts.revoked})`) : ""),
      formatCount(one.readings, language),
      one.metrics.join(", "),
      one.lastReadingAtMs === null ? texts.never : formatTime(one.lastReadingAtMs, language),
    ]),
  );
}

function formatSeries(
  context: CommandContext,
  metric: string,
  points: readonly SeriesPoint[],
): string {
  const { language } = context;
  const texts = context.texts.sensors;
  if (points.length === 0) return texts.nothing;
  const count = points.reduce((sum, point) => sum + point.count, 0);
  const mean = points.reduce((sum, point) => sum + point.value * point.count, 0) / count;
  const number = (value: number) =>
    new Intl.NumberFormat(language, { maximumSignificantDigits: 5 }).format(value);
  const least = number(Math.min(...points.map((point) => point.least)));
  const most = number(Math.max(...points.map((point) => point.most)));
  const chart = plot(points.map(({ atMs, value }) => [atMs, value] as [number, number]), {
    title: metric,
    width: PLOT_POINTS,
    height: PLOT_HEIGHT,
    formatter: (value, { axis }) => axis === "x" ? "" : number(value),
  });
  const from = formatTime(points[0]!.atMs, language);
  const to = formatTime(points.at(-1)!.atMs, language);
  const summary = texts.summary(formatCount(count, language), least, number(mean), most);
  return `${chart.trimEnd()}\n${from} – ${to}\n${summary}`;
}
