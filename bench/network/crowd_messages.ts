/** What the processes of a crowd say to each other: one line of JSON each, over standard input and output. */

/** What a process is to do; its only argument, as JSON. */
export interface CrowdTask {
  readonly role: "coordinator" | "clients";
  /** Of the NATS server. */
  readonly url: string;
  /** In all, the coordinator among them. */
  readonly devices: number;
  /** How many fall away. */
  readonly dropouts: number;
  readonly network: CrowdNetwork;
  readonly aggregation: "clear" | "secure";
  /** Of clients: the places of the first, and of the one after the last. */
  readonly from: number;
  readonly to: number;
  /** For what the coordinator does not hold in memory. */
  readonly folder: string;
}

/** `tiny` is for runs that claim nothing. */
export type CrowdNetwork = "tiny" | "softmax" | "2NN";

/** What the bench says to a process, one line of JSON each. */
export type CrowdCommand =
  /** To the coordinator: the round begins. */
  | { readonly type: "begin" }
  /** To clients: how much have those sent who do not fall away? */
  | { readonly type: "countTraffic" }
  /** To clients: the first of them that is there takes this result and verifies it. */
  | { readonly type: "verify"; readonly body: string };

/** What a process says to the bench, one line of JSON each. */
export type CrowdReport =
  /** All devices of this process have their connections, and clients their sessions. */
  | { readonly type: "ready" }
  /** The coordinator has so many sessions. */
  | { readonly type: "sessions"; readonly up: number }
  | { readonly type: "phase"; readonly phase: string; readonly atMs: number }
  | CoordinatorReport
  | { readonly type: "traffic"; readonly sent: number; readonly devices: number }
  | { readonly type: "verified"; readonly tookMs: number; readonly processorMs: number }
  /** Something is not as it should be; the round may go on. */
  | { readonly type: "problem"; readonly text: string };

/** The round is done, and the coordinator has the new version. */
export interface CoordinatorReport {
  readonly type: "done";
  /** The result as it would go into a block, in base64. */
  readonly body: string;
  readonly wallMs: number;
  /** Of all threads of its process. */
  readonly processorMs: number;
  /** From the last that it waited for until the result is ready. */
  readonly combining: { readonly wallMs: number; readonly processorMs: number };
  /** Resident memory, bytes: with all sessions, just before the round; and the most there ever was. */
  readonly residentBefore: number;
  readonly residentMost: number;
  /** How many sessions lost their path in the round, by reason. */
  readonly lost: Readonly<Record<string, number>>;
  /** When each phase began, ms since the round did. */
  readonly phases: readonly { readonly phase: string; readonly atMs: number }[];
}

/** Who falls away: spread over the crowd, never the coordinator. */
export function dropsOut(
  index: number,
  { devices, dropouts }: Pick<CrowdTask, "devices" | "dropouts">,
): boolean {
  const upTo = (place: number) => Math.floor(place * dropouts / (devices - 1));
  return index > 0 && upTo(index) > upTo(index - 1);
}
