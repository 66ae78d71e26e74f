/**
 * Sensors: takes readings in, keeps them, puts them into blocks, and makes the readings in others' blocks available as time series.
 *
 * Invariants:
 * - A reading is acknowledged, to a view or to the broker, after it is durable here.
 * - A reading goes into blocks at least once and counts once: equal (metric, time, sequence) is one row.
 * - Only sensors that were added on this device and not revoked are heard.
 */
import type { Broker } from "../../platform/broker.ts";
import type { Crypto, Random } from "../../platform/ports.ts";
import type { DeviceId, MeshId } from "../../protocols/ids.ts";
import type { Store } from "../../store/store.ts";
import type { Behaviour, Ref } from "../kernel/actor.ts";
import { membershipChanged } from "../members/commands.ts";
import type { PublisherCommand } from "../publisher/commands.ts";
import { blocksCommitted } from "../storage/commands.ts";
import { onBatchDue, onMarked, onPublishDue, onPublished, onWaitingRead } from "./batches.ts";
import type { SensorRecord, SensorsCommand } from "./commands.ts";
import { onAddSensor, onRevokeSensor, onSaved } from "./credentials.ts";
import { load, onBlocksCommitted, onIndexDue, onIndexed, onLoaded } from "./indexing.ts";
import { onIngest, onIngested, onMessageKept } from "./ingest.ts";
import type { SensorsContext, SensorsState } from "./state.ts";

export interface SensorsDependencies {
  readonly self: DeviceId;
  readonly store: Pick<Store, "blocks" | "readings" | "settings">;
  readonly crypto: Pick<Crypto, "sha256">;
  readonly publisher: Ref<PublisherCommand>;
  /** Where MQTT messages are kept; none: HTTP only. */
  readonly broker?: Broker;
  /** The subject under which the broker keeps what sensors of a mesh send, ending in ">". */
  readonly sensorSubject?: (mesh: MeshId) => string;
  /** bcrypt of a password with a salt from `random`. */
  readonly hashPassword: (password: string, random: Random) => string;
  /** Told when a sensor was added or revoked, and once after start: whoever runs the MQTT broker lets in these. */
  readonly onSensorsChanged?: (sensors: readonly SensorRecord[]) => void;
  /** Readings are put into blocks this often, ms; default 60,000. */
  readonly batchMs?: number;
  /** Rows of readings kept at most, default 10,000,000; older ones stay in their blocks. */
  readonly rowsMax?: number;
}

const PRUNE_MS = 60 * 60 * 1000;
const ROWS_MAX = 10_000_000;

/** The behaviour of the sensors actor. */
export function sensors(deps: SensorsDependencies): Behaviour<SensorsCommand, SensorsState> {
  return {
    name: "sensors",
    init: (context) => start(context, deps),
    receive(context, state, command) {
      switch (command.type) {
        case "ingest":
          return onIngest(context, state, command, deps);
        case "ingested":
          return onIngested(context, state, command, deps);
        case "messageKept":
          return onMessageKept(context, state, command.message, deps);
        case "addSensor":
          return onAddSensor(context, state, command, deps);
        case "revokeSensor":
          return onRevokeSensor(context, state, command, deps);
        case "saved":
          return onSaved(context, state, command, deps);
        case "listSensors":
          return context.send(command.replyTo, [...state.sensors.values()]);
        case "loaded":
          return onLoaded(context, state, command.outcome, deps);
        case "blocksCommitted":
          return onBlocksCommitted(context, state, command.event, deps);
        case "indexed":
          return onIndexed(context, state, command, deps);
        case "indexDue":
          return onIndexDue(context, state, deps);
        case "membershipChanged":
          return onMembershipChanged(context, state, command.event.registry?.mesh ?? null, deps);
        case "batchDue":
          return onBatchDue(context, state, deps);
        case "waitingRead":
          return onWaitingRead(context, state, command.outcome, deps);
        case "published":
          return onPublished(context, state, command, deps);
        case "marked":
          return onMarked(context, state, command.outcome, deps);
        case "publishDue":
          return onPublishDue(context, state);
        case "pruneDue":
          return onPruneDue(context, deps);
        case "pruned":
          if (!command.outcome.ok) {
            context.log.write("warning", "old readings were not forgotten", {
              error: String(command.outcome.error),
            });
          }
          return context.startTimer("prune", PRUNE_MS, { type: "pruneDue" });
        default:
          command satisfies never;
      }
    },
    release(state) {
      state.stopCollecting?.();
    },
  };
}

function start(context: SensorsContext, deps: SensorsDependencies): SensorsState {
  context.subscribe(membershipChanged, (event) => ({ type: "membershipChanged", event }));
  context.subscribe(blocksCommitted, (event) => ({ type: "blocksCommitted", event }));
  context.perform(() => load(deps.store), (outcome) => ({ type: "loaded", outcome }));
  context.startTimer("prune", PRUNE_MS, { type: "pruneDue" });
  return {
    loaded: false,
    mesh: null,
    sensors: new Map(),
    saving: new Set(),
    waiting: 0,
    ingesting: 0,
    batch: "idle",
    batchTimer: false,
    requests: 0,
    blocks: [],
    indexing: false,
    refused: 0,
    stopCollecting: null,
  };
}

function onMembershipChanged(
  context: SensorsContext,
  state: SensorsState,
  mesh: MeshId | null,
  deps: SensorsDependencies,
): void {
  if (mesh === state.mesh) return;
  state.mesh = mesh;
  state.stopCollecting?.();
  state.stopCollecting = null;
  const { broker, sensorSubject } = deps;
  if (mesh === null || broker === undefined || sensorSubject === undefined) return;
  const onMessage = context.inlet((message: Parameters<Parameters<Broker["collect"]>[1]>[0]) => ({
    type: "messageKept",
    message,
  }));
  const name = `sensors-${deps.self.slice(0, 16)}`;
  state.stopCollecting = broker.collect({ subject: sensorSubject(mesh), name }, onMessage);
}

function onPruneDue(context: SensorsContext, deps: SensorsDependencies): void {
  context.perform(
    () => deps.store.readings.prune(deps.rowsMax ?? ROWS_MAX),
    (outcome) => ({ type: "pruned", outcome }),
  );
}
