/** Readings in the blocks of other devices become rows, so that one question answers for all sensors of the mesh. */
import type { Block } from "../../protocols/blocks/block.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import {
  decodeReadings,
  READINGS_MEDIA_TYPE,
  SENSORS_TOPIC,
} from "../../protocols/sensors/readings.ts";
import type { Store } from "../../store/store.ts";
import { nodeEvents } from "../events.ts";
import type { TaskOutcome } from "../kernel/actor.ts";
import type { BlocksCommitted } from "../storage/commands.ts";
import { scheduleBatch } from "./batches.ts";
import type { LoadedSensors, SensorRecord } from "./commands.ts";
import type { SensorsDependencies } from "./sensors.ts";
import type { SensorsContext, SensorsState } from "./state.ts";

/** Settings: a sensor of this device, by name. */
export const SENSOR_PREFIX = "sensor/";
/** Setting: the newest block whose readings are rows. */
const CURSOR_KEY = "sensors/cursor";
const PAGE = 200;
/** Blocks indexed in one task. */
const BLOCKS_AT_ONCE = 64;
/** Blocks that wait to be indexed; more are found again at the next start. */
const BLOCKS_MAX = 4_096;
const RETRY_MS = 10_000;

/** How the readings of another device's sensor are named here: "attic@a2b3c4d5". Our own are plain. */
export function seriesName(sensor: string, author: DeviceId, self: DeviceId): string {
  return author === self ? sensor : `${sensor}@${author.slice(0, 8)}`;
}

/** Task: what this device's disk holds of sensors. */
export async function load(
  store: Pick<Store, "blocks" | "readings" | "settings">,
): Promise<LoadedSensors> {
  const entries = await store.settings.entries(SENSOR_PREFIX);
  const waiting = await store.readings.waiting(PAGE);
  const cursor = await store.settings.get(CURSOR_KEY) as BlockId | undefined;
  const missed: Block[] = [];
  let page: string | null = null;
  do {
    const found: Awaited<ReturnType<Store["blocks"]["list"]>> = await store.blocks.list({
      topic: SENSORS_TOPIC,
      limit: PAGE,
      ...(page === null ? {} : { cursor: page }),
    });
    const end = found.blocks.findIndex(({ id }) => id === cursor);
    missed.push(...(end < 0 ? found.blocks : found.blocks.slice(0, end)).filter(holdsReadings));
    page = end < 0 ? found.nextCursor : null;
  } while (page !== null && missed.length < BLOCKS_MAX);
  return {
    sensors: entries.map(([, record]) => record as SensorRecord),
    waiting: waiting.reduce((sum, { readings }) => sum + readings.length, 0),
    missed: missed.reverse(),
  };
}

export function onLoaded(
  context: SensorsContext,
  state: SensorsState,
  outcome: TaskOutcome<LoadedSensors>,
  deps: SensorsDependencies,
): void {
  // The supervisor starts us again, and the disk may answer then.
  if (!outcome.ok) throw outcome.error;
  const { sensors, waiting, missed } = outcome.value;
  for (const record of sensors) state.sensors.set(record.sensor, record);
  state.waiting += waiting;
  state.loaded = true;
  deps.onSensorsChanged?.([...state.sensors.values()]);
  state.blocks.unshift(...missed);
  index(context, state, deps);
  scheduleBatch(context, state, deps);
}

export function onBlocksCommitted(
  context: SensorsContext,
  state: SensorsState,
  event: BlocksCommitted,
  deps: SensorsDependencies,
): void {
  const before = state.blocks.length;
  for (const { block, receivedFrom } of event.blocks) {
    // Our own readings were rows before they were blocks, unless the blocks came back to us.
    if (receivedFrom === null || !holdsReadings(block)) continue;
    if (state.blocks.length < BLOCKS_MAX) state.blocks.push(block);
  }
  if (state.blocks.length > before) index(context, state, deps);
}

function holdsReadings({ header, payload }: Block): boolean {
  return payload !== null && header.topic === SENSORS_TOPIC && header.kind === "put" &&
    header.mediaType === READINGS_MEDIA_TYPE;
}

function index(context: SensorsContext, state: SensorsState, deps: SensorsDependencies): void {
  if (state.indexing || !state.loaded || state.blocks.length === 0) return;
  state.indexing = true;
  const blocks = state.blocks.slice(0, BLOCKS_AT_ONCE);
  context.perform(async () => {
    const fresh = new Map<string, number>();
    for (const { header, payload } of blocks) {
      const decoded = decodeReadings(payload!);
      // Whoever published it may be wrong: the block stays, as any other content.
      if (!decoded.ok) continue;
      const { sensor, readings } = decoded.message;
      const name = seriesName(sensor, header.author, deps.self);
      const { accepted } = await deps.store.readings.add(name, readings, true);
      if (accepted > 0) fresh.set(name, (fresh.get(name) ?? 0) + accepted);
    }
    await deps.store.settings.set({ [CURSOR_KEY]: blocks.at(-1)!.id });
    return fresh;
  }, (outcome) => ({ type: "indexed", count: blocks.length, outcome }));
}

export function onIndexed(
  context: SensorsContext,
  state: SensorsState,
  { count, outcome }: {
    readonly count: number;
    readonly outcome: TaskOutcome<ReadonlyMap<string, number>>;
  },
  deps: SensorsDependencies,
): void {
  state.indexing = false;
  if (!outcome.ok) {
    context.log.write("warning", "readings of others were not indexed", {
      error: String(outcome.error),
    });
    return context.startTimer("index", RETRY_MS, { type: "indexDue" });
  }
  state.blocks.splice(0, count);
  for (const [sensor, readings] of outcome.value) {
    context.publish(nodeEvents, { type: "readingsStored", sensor, count: readings });
  }
  index(context, state, deps);
}

export function onIndexDue(
  context: SensorsContext,
  state: SensorsState,
  deps: SensorsDependencies,
): void {
  index(context, state, deps);
}
