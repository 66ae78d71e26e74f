/** Hours of a bad network: how often is somebody believed dead who is not? For the bench `liveness` and for `bench/liveness_day.ts`. */
import { LivenessMesh } from "../../simulation/liveness_mesh.ts";

/** After that everybody has heard of everybody, virtual ms. */
export const SETTLE_MS = 150_000;
const HOUR_MS = 3_600_000;
/** Share of all frames that are lost. */
export const LOSS = 0.2;
/** For how long a device stands still, ms. */
export const STALL_MS = { least: 100, most: 2_000 };

export interface BadHours {
  readonly seed: string;
  readonly nodes: number;
  /** Virtual hours, after the mesh has settled. */
  readonly hours: number;
  /** Every device stands still this often on average, ms. */
  readonly stallEveryMs: number;
}

export interface BadHoursResult {
  /** Devices that somebody believed dead, once for each incarnation; none had crashed. */
  readonly falselyDead: number;
  readonly stalls: number;
  /** Accusations by devices that had got no answer themselves. */
  readonly suspicions: number;
  readonly bytesPerNodeAndSecond: number;
}

/** Lives through them. Equal options give equal results. */
export function liveBadHours({ seed, nodes, hours, stallEveryMs }: BadHours): BadHoursResult {
  const dead = new Set<string>();
  const mesh = new LivenessMesh({
    seed,
    nodes,
    loss: LOSS,
    onChange: ({ state, subject, incarnation }) => {
      if (state === "dead") dead.add(`${subject.index} ${incarnation}`);
    },
  });
  const suspicions = () =>
    mesh.devices.reduce((sum, { state }) => sum + state.counts.suspicionsRaised, 0);
  mesh.advance(SETTLE_MS);
  dead.clear();
  const bytesBefore = mesh.bytes;
  const suspicionsBefore = suspicions();
  let stalls = 0;
  const stallSomebody = (): void => {
    stalls += 1;
    const ms = STALL_MS.least + mesh.random.float() * (STALL_MS.most - STALL_MS.least);
    mesh.stall(mesh.devices[mesh.random.below(nodes)]!, ms);
    mesh.after(-Math.log(1 - mesh.random.float()) * stallEveryMs / nodes, stallSomebody);
  };
  stallSomebody();
  mesh.advance(hours * HOUR_MS);
  return {
    falselyDead: dead.size,
    stalls,
    suspicions: suspicions() - suspicionsBefore,
    bytesPerNodeAndSecond: (mesh.bytes - bytesBefore) / nodes / (hours * HOUR_MS / 1_000),
  };
}
