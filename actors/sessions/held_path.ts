/** A path that can be handed from one actor to another without losing an event in between. */
import type { Path, PathEvent } from "../../platform/transport.ts";

export interface HeldPath extends Path {
  /** From now on events wait for the next `listen`. */
  hold(): void;
}

/** Bytes that may come while nobody listens: an honest peer says nothing between handshake and resume. */
const HELD_BYTES_MAX = 1024 * 1024;

/** Takes over the path's listener. A path on which too much comes while it is held is closed. */
export function holdPath(path: Path): HeldPath {
  let listener: ((event: PathEvent) => void) | undefined;
  let held: PathEvent[] = [];
  let heldBytes = 0;
  path.listen((event) => {
    if (listener !== undefined) return listener(event);
    if (event.type === "frame") {
      heldBytes += event.frame.length;
      if (heldBytes > HELD_BYTES_MAX) return path.close("nobody listens");
    }
    held.push(event);
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
    hold() {
      listener = undefined;
    },
    listen(next) {
      listener = next;
      const earlier = held;
      held = [];
      heldBytes = 0;
      for (const event of earlier) next(event);
    },
  };
}
