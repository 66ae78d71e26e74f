/** A path that can be handed from one actor to another without losing an event in between. */
import type { Path, PathEvent } from "../../platform/transport.ts";

export interface HeldPath extends Path {
  /** From now on events wait for the next `listen`. */
  hold(): void;
}

/** Takes over the path's listener. What waits is bounded by the path: a peer says nothing between handshake and resume. */
export function holdPath(path: Path): HeldPath {
  let listener: ((event: PathEvent) => void) | undefined;
  let held: PathEvent[] = [];
  path.listen((event) => listener === undefined ? void held.push(event) : listener(event));
  return {
    kind: path.kind,
    get description() {
      return path.description;
    },
    binding: path.binding,
    confidential: path.confidential,
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
      for (const event of earlier) next(event);
    },
  };
}
