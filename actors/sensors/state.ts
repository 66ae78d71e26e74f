/** What the sensors actor knows. Shared by its files; nobody else needs it. */
import type { Block } from "../../protocols/blocks/block.ts";
import type { MeshId } from "../../protocols/ids.ts";
import type { WaitingReadings } from "../../store/readings.ts";
import type { Context } from "../kernel/actor.ts";
import type { SensorRecord, SensorsCommand } from "./commands.ts";

export interface SensorsState {
  /** False until the store was read: nothing is taken in before. */
  loaded: boolean;
  mesh: MeshId | null;
  readonly sensors: Map<string, SensorRecord>;
  /** Sensors whose record is being written. */
  readonly saving: Set<string>;
  /** About how many readings are in no block yet. */
  waiting: number;
  /** Ingests under way. */
  ingesting: number;
  /** The batch on its way into blocks. */
  batch: "idle" | "reading" | {
    readonly request: number;
    readonly readings: readonly WaitingReadings[];
  };
  /** A batch is due at some time. */
  batchTimer: boolean;
  requests: number;
  /** Blocks of readings that wait to be indexed. */
  blocks: Block[];
  indexing: boolean;
  /** Messages of sensors that were refused. */
  refused: number;
  stopCollecting: (() => void) | null;
}

export type SensorsContext = Context<SensorsCommand>;
export type Of<Type extends SensorsCommand["type"]> = Extract<SensorsCommand, { type: Type }>;
