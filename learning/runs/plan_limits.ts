/** What a plan asks of the devices, before anybody is asked: numbers that fit 32 bits, vectors that fit a transfer, updates that fit a coordinator's memory and disk. */
import { VECTOR_BYTES_MAX } from "../../protocols/rounds/messages.ts";
import { storedUpdatesBytes } from "../aggregation/stored_updates.ts";
import { packedBytes } from "../secure/packing.ts";
import { SMALL_LENGTH_MAX } from "../secure/secure_sum.ts";
import { SIGNATURE_BYTES } from "../secure/checks.ts";
import { OPENING_BYTES_MAX } from "../secure/small_round.ts";
import { HELD_BYTES_MAX } from "./combine_clear.ts";
import { groupMost } from "./grid_plan.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { sizeOf, sumFormOf } from "./secure_round.ts";
import { expectedUpdateBytes } from "./update.ts";

/** Most memory that combining a round's updates may take on a coordinator, bytes. */
const COMBINING_BYTES_MAX = 1024 * 1024 * 1024;
/** Most room on its disk that a round's updates may take, bytes: beyond that, writing and comparing them would take longer than a round may. */
const COMBINING_DISK_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/** In front of each sum of an aggregate. */
const SUM_HEAD_BYTES = 4;
/** Most secure sums that one result can prove. */
const SUMS_MAX = 512;

/** Why rounds of up to `devices` devices cannot be carried out, for people; undefined when they can. */
export function problemOfSize(opened: OpenedPlan, devices: number): string | undefined {
  const { count } = opened.layout;
  const { aggregation, privacy } = opened.plan;
  // In the clear the count that a clipping length follows is released beside the mean.
  const beside = aggregation.type === "clear" && privacy?.adaptive !== undefined ? 1 : 0;
  const countMost = VECTOR_BYTES_MAX / 4 - beside;
  if (count > countMost) {
    return `its model has ${count} parameters, expected at most ${countMost}`;
  }
  if (aggregation.type === "grid") return problemOfGridSize(opened, aggregation);
  if (aggregation.type === "clear") {
    // However many devices take part, a buffer has room for so many.
    const updates = Math.min(devices, opened.strategy.buffer?.goal ?? devices);
    const { memory, disk } = clearBytes(opened, updates);
    const takes = `combining ${updates} updates of ${count} numbers takes`;
    if (memory > COMBINING_BYTES_MAX) {
      return `${takes} ${megabytes(memory)} MiB of memory, expected at most ${
        megabytes(COMBINING_BYTES_MAX)
      }`;
    }
    return disk <= COMBINING_DISK_BYTES_MAX
      ? undefined
      : `${takes} ${megabytes(disk)} MiB of disk, expected at most ${
        megabytes(COMBINING_DISK_BYTES_MAX)
      }`;
  }
  let packed: number;
  let length: number;
  try {
    // Integers of other clipping lengths are up to twice as large: scales are powers of two.
    const room = opened.plan.privacy?.adaptive === undefined ? devices : 2 * devices;
    const size = sizeOf(sumFormOf(opened, devices)!, { devices: room, count });
    length = size.length;
    packed = packedBytes(length, size.bits);
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
  if (packed > VECTOR_BYTES_MAX) {
    return `a masked update has ${packed} bytes, expected at most ${VECTOR_BYTES_MAX}; fewer bits or a smaller model would fit`;
  }
  if (aggregation.type === "secure") return undefined;
  if (aggregation.type !== "secureGroups") {
    return problemOfSmallSum(opened, devices, length);
  }
  const sums = Math.max(1, Math.floor(devices / aggregation.groupSize));
  const bytes = sums * (SUM_HEAD_BYTES + packed);
  if (sums <= SUMS_MAX && bytes <= VECTOR_BYTES_MAX) return undefined;
  return `${devices} devices make ${sums} groups, whose sums have ${
    megabytes(bytes)
  } MiB; expected at most ${SUMS_MAX} groups and ${megabytes(VECTOR_BYTES_MAX)} MiB`;
}

/** Why a sum with a second party is not for vectors of this size. Whoever adds up holds the parts until it knows whom the other one has. */
function problemOfSmallSum(
  opened: OpenedPlan,
  devices: number,
  length: number,
): string | undefined {
  const { type } = opened.plan.aggregation;
  if (length > SMALL_LENGTH_MAX) {
    return `its vectors have ${length} numbers, and aggregation "${type}" is for at most ${SMALL_LENGTH_MAX}; expected aggregation "secure", compression "randomK", or a smaller model`;
  }
  const { least: part } = expectedUpdateBytes(opened, devices);
  if (devices * part > HELD_BYTES_MAX) {
    return `the parts of ${devices} devices take ${
      megabytes(devices * part)
    } MiB of memory, expected at most ${megabytes(HELD_BYTES_MAX)} with aggregation "${type}"`;
  }
  // What is to be opened travels in one message, with a signature of each device.
  const opening = (type === "paillier" ? part : 0) + SIGNATURE_BYTES * devices;
  if (opening > OPENING_BYTES_MAX - 1_024) {
    return `opening a sum of ${length} numbers of ${devices} devices takes ${opening} bytes, expected at most ${
      OPENING_BYTES_MAX - 1_024
    } with aggregation "${type}"; fewer devices, "twoServers", or a smaller model would fit`;
  }
  return undefined;
}

/** Why a device cannot hold the parameters of its group of a grid; however many devices there are, a group has so many at most. */
function problemOfGridSize(
  opened: OpenedPlan,
  { side }: { readonly side: number },
): string | undefined {
  const clients = groupMost(side);
  const bytes = combiningBytes(opened, clients);
  if (bytes <= COMBINING_BYTES_MAX) return undefined;
  return `averaging in groups of up to ${clients} devices takes ${
    megabytes(bytes)
  } MiB of memory, expected at most ${
    megabytes(COMBINING_BYTES_MAX)
  }; a smaller side or a smaller model would fit`;
}

/** What a coordinator needs for so many updates in the clear: a part of each kind is held, as they came and as numbers, and the rest is on the disk. */
function clearBytes(
  { rule, layout: { count } }: OpenedPlan,
  clients: number,
): { readonly memory: number; readonly disk: number } {
  const all = 4 * count * clients;
  const isHeld = all <= HELD_BYTES_MAX;
  const streams = rule!.begin !== null;
  // One at a time on its way, and a sum in double precision with its result.
  const decoded = isHeld ? all : (streams ? 0 : storedUpdatesBytes(clients)) + 4 * count;
  const memory = Math.min(all, HELD_BYTES_MAX) + decoded + 12 * count +
    rule!.workingBytes({ clients, count });
  return { memory, disk: isHeld ? 0 : streams ? all : 2 * all };
}

/** As they came, as numbers, and what the rule needs beside them. */
function combiningBytes({ rule, layout: { count } }: OpenedPlan, clients: number): number {
  return 2 * 4 * count * clients + (rule?.workingBytes({ clients, count }) ?? 0);
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / (1024 * 1024));
}
