/** What an examination says. */

export type FindingName =
  | "runtime"
  | "configuration"
  | "dataFolder"
  | "identity"
  | "disk"
  | "node"
  | "gatewayPort"
  | "rendezvousPort"
  | "interfaces"
  | "multicast"
  | "webrtc"
  | "broker"
  | "clock"
  | "memoryPages";

export interface Finding {
  readonly name: FindingName;
  /** `warning`: works, but less well. `failed`: a node cannot work so. */
  readonly state: "ok" | "warning" | "failed";
  readonly detail: string;
  /** What to do; empty when there is nothing to do. */
  readonly fix: string;
}
