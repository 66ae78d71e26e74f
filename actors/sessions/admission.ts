/** Which of several paths to the same peer is kept. Pure. */
import { equalBytes } from "../../protocols/codec.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { ResumeFrame } from "../../protocols/session/messages.ts";

/**
 * True when the path on which a peer's resume frame came shall be used, false when it is to be closed as surplus.
 *
 * Whoever begins a path has compared ranks before (`path_choice.ts`): it sends a resume frame only on a path that is strictly better
 * than the one it uses, or when it uses none. So a path that arrives is an improvement, a replacement for one that is dead at the
 * other end, or the loser of a race; only the last is told apart here, and paths of equal rank never take turns.
 *
 * The device with the smaller id decides, the other always agrees. It refuses a path only when that was begun before
 * the other side knew of a better one: when our own resume frame is on its way (the other side will accept it), or when
 * the frame does not know the path we both already use although its sender has not restarted.
 */
export function acceptsPath(options: {
  readonly self: DeviceId;
  readonly peer: DeviceId;
  readonly resume: ResumeFrame;
  /** We have sent a resume frame on a path of our own and wait for the answer. */
  readonly ownResumeSent: boolean;
  /** The path in use. */
  readonly active: { readonly tag: Uint8Array; readonly remoteBoot: Uint8Array } | null;
}): boolean {
  if (options.peer < options.self) return true;
  if (options.ownResumeSent) return false;
  if (options.active === null) return true;
  const restarted = !equalBytes(options.resume.boot, options.active.remoteBoot);
  return restarted || equalBytes(options.resume.lastPath, options.active.tag);
}
