/** Commands of the sensors actor: readings come in over MQTT or HTTP, are durable at once, and go into blocks in batches. */
import type { KeptMessage } from "../../platform/broker.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import type { WaitingReadings } from "../../store/readings.ts";
import type { Outcome } from "../handle.ts";
import type { Ref, TaskOutcome } from "../kernel/actor.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { IngestResult, NewReading } from "../sensor_handle.ts";
import type { BlocksCommitted } from "../storage/commands.ts";

export type SensorsCommand =
  /** Readings over HTTP; answers when they are durable. */
  | {
    readonly type: "ingest";
    readonly sensor: string;
    readonly readings: readonly NewReading[];
    readonly replyTo: Ref<Outcome<IngestResult>>;
  }
  /** Makes credentials; the password is told this once. */
  | {
    readonly type: "addSensor";
    readonly sensor: string;
    readonly displayName: string;
    readonly replyTo: Ref<Outcome<{ readonly password: string }>>;
  }
  | {
    readonly type: "revokeSensor";
    readonly sensor: string;
    readonly replyTo: Ref<Outcome<null>>;
  }
  | { readonly type: "listSensors"; readonly replyTo: Ref<readonly SensorRecord[]> }
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  | { readonly type: "blocksCommitted"; readonly event: BlocksCommitted }
  | SensorsPrivateCommand;

/** What the sensors actor says to itself. */
export type SensorsPrivateCommand =
  | { readonly type: "loaded"; readonly outcome: TaskOutcome<LoadedSensors> }
  | {
    readonly type: "ingested";
    readonly sensor: string;
    readonly outcome: TaskOutcome<IngestResult>;
    readonly answer: (outcome: Outcome<IngestResult>) => Answer;
  }
  | {
    readonly type: "saved";
    readonly record: SensorRecord;
    readonly outcome: TaskOutcome<void>;
    // deno-lint-ignore no-explicit-any -- of two commands; each is answered with what it asked for
    readonly replyTo: Ref<Outcome<any>>;
    readonly answer: { readonly password: string } | null;
  }
  /** A message of a sensor that the broker has kept. */
  | { readonly type: "messageKept"; readonly message: KeptMessage }
  | { readonly type: "batchDue" }
  | { readonly type: "waitingRead"; readonly outcome: TaskOutcome<readonly WaitingReadings[]> }
  | {
    readonly type: "published";
    readonly request: number;
    readonly outcome: Outcome<readonly Block[]>;
  }
  | { readonly type: "marked"; readonly outcome: TaskOutcome<void> }
  | { readonly type: "publishDue" }
  | {
    readonly type: "indexed";
    readonly count: number;
    /** Readings by sensor that were new, for those who watch. */
    readonly outcome: TaskOutcome<ReadonlyMap<string, number>>;
  }
  | { readonly type: "indexDue" }
  | { readonly type: "pruneDue" }
  | { readonly type: "pruned"; readonly outcome: TaskOutcome<number> };

/** Whom to tell how an ingest went: a view, or the broker. */
export type Answer =
  | { readonly to: Ref<Outcome<IngestResult>>; readonly outcome: Outcome<IngestResult> }
  | { readonly call: () => void };

/** One sensor of this device; kept as a setting, never replicated. */
export interface SensorRecord {
  readonly sensor: string;
  readonly displayName: string;
  readonly createdAtMs: number;
  /** bcrypt of the password, as the MQTT broker wants it. */
  readonly passwordHash: string;
  readonly revoked: boolean;
}

export interface LoadedSensors {
  readonly sensors: readonly SensorRecord[];
  /** Readings in no block yet. */
  readonly waiting: number;
  /** Blocks of readings that were committed while nobody looked, oldest first. */
  readonly missed: readonly Block[];
}
