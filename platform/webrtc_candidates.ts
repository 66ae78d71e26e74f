/** Puts together which addresses a connection of ours has found. */
import { withoutZone } from "./webrtc_bind_address.ts";

/** Transport, address, port and type of a candidate: what makes it another one. */
const CANDIDATE = /^(?:a=)?candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ (\S+)/i;

/**
 * Candidates that were told as events, and those in the description that were not yet, each once, without "a=" and zones.
 *
 * The native library's state says "complete" at once, while its candidates come as events on later turns of the event loop. Who
 * answers in between would send none; the other end then never checks, and through a relay nobody comes in who was not called.
 */
export function allCandidates(told: readonly string[], sdp: string): readonly string[] {
  const known = new Map<string, string>();
  for (const line of [...told, ...sdp.split(/\r?\n/)]) {
    const candidate = withoutZone(line.replace(/^a=/, ""));
    const fields = CANDIDATE.exec(candidate);
    if (fields === null) continue;
    const key = fields.slice(1).join(" ").toLowerCase();
    if (!known.has(key)) known.set(key, candidate);
  }
  return [...known.values()];
}
