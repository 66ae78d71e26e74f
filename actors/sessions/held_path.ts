/** A path that can be handed from one actor to another without losing an event in between. */
import { PathEvents } from "../../platform/path_events.ts";
import type { Path } from "../../platform/transport.ts";

export interface HeldPath extends Path {
  /** From now on events wait for the next `listen`. */
  hold(): void;
}

/** Bytes that may come while nobody listens: an honest peer says nothing between handshake and resume. */
const HELD_BYTES_MAX = 1024 * 1024;

/** Takes over the path's listener. A path on which too much comes while it is held is closed. */
export function holdPath(path: Path): HeldPath {
  const events = new PathEvents();
  let isFull = false;
  path.listen((event) => {
    if (event.type !== "frame") return events.deliver(event);
    isFull ||= !events.isHeard && events.waitingBytes + event.frame.length > HELD_BYTES_MAX;
    // After a frame that was not kept none counts.
    if (isFull) path.close("nobody listens");
    else events.deliver(event);
  });
  return {
    kind: path.kind,
    get description() {
      return path.description;
    },
    binding: path.binding,
    confidential: path.confidential,
    get relayed() {
      return path.relayed;
    },
    frameBytesMax: path.frameBytesMax,
    bufferedBytes: () => path.bufferedBytes(),
    send: (frame) => path.send(frame),
    close: (reason) => path.close(reason),
    hold: () => events.hold(),
    listen: (listener) => events.listen(listener),
  };
}
