/** What the sessions actor tells people about the devices it knows. */
import type { SessionSummary } from "./commands.ts";
import type { SessionsContext, SessionsState } from "./sessions_state.ts";

/** Every device that is a member or was seen, with or without a session. */
export function summaries(
  context: SessionsContext,
  state: SessionsState,
): readonly SessionSummary[] {
  const nowMs = context.monotonicMs();
  return [...state.peers].map(([deviceId, peer]) => {
    const { report } = peer;
    return {
      deviceId,
      displayName: peer.displayName,
      sighted: peer.sighted,
      addresses: peer.addresses,
      state: report?.state ?? "idle",
      path: report?.path ?? null,
      pathDescription: report?.pathDescription ?? null,
      relayed: report?.relayed ?? false,
      roundTripMs: report?.roundTripMs ?? null,
      connectedForMs: report === null || report.upSinceMs === null
        ? null
        : nowMs - report.upSinceMs,
      bytesSent: report?.bytesSent ?? 0,
      bytesReceived: report?.bytesReceived ?? 0,
      framesUnacknowledged: report?.framesUnacknowledged ?? 0,
      retryInMs: report === null || report.retryAtMs === null
        ? null
        : Math.max(0, report.retryAtMs - nowMs),
      lastProblem: report?.lastProblem ?? null,
    };
  });
}
