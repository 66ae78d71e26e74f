/** One open data channel as a Path: frames with back-pressure, and one `closed` at the end. */
import { PathEvents } from "./path_events.ts";
import type { Clock } from "./ports.ts";
import type { Path, PathEvent } from "./transport.ts";
import type { Channel, ChannelEvents, SelectedPair } from "./webrtc_library.ts";

/** Largest frame, bytes: both libraries take 64 KiB whole. */
const WEBRTC_FRAME_BYTES_MAX = 65_000;
/** `send` refuses while more than this waits, bytes. */
const WEBRTC_BUFFER_BYTES_MAX = 1024 * 1024;
/** `drained` comes when no more than this waits, bytes. */
const WEBRTC_BUFFER_BYTES_LOW = 256 * 1024;
/** Bytes that may arrive before anybody listens. */
const UNHEARD_BYTES_MAX = 1024 * 1024;
/** How long `close` waits for what is buffered, ms. */
const FLUSH_MS = 250;
/** Between two looks whether it has left, ms: the libraries tell when little is left, not when nothing is. */
const FLUSH_POLL_MS = 10;

export interface WebRtcPathOptions {
  readonly clock: Clock;
  /** Makes the channel, with our events. */
  readonly attach: (events: ChannelEvents) => Channel;
  readonly onOpen: () => void;
  /** After the last event: time to close the connection. */
  readonly onEnd: () => void;
}

export interface WebRtcPath extends Path {
  /** Known once the channel is open. */
  settle(selectedPair: () => SelectedPair, binding: Uint8Array): void;
  /** The connection has failed underneath. */
  fail(reason: string): void;
}

/** Makes a path of a channel that may not be open yet. */
export function webrtcPath(options: WebRtcPathOptions): WebRtcPath {
  const { clock } = options;
  const events = new PathEvents();
  let wantsRoom = false;
  let isOpen = false;
  let ended = false;
  let closing = false;
  let selectedPair: () => SelectedPair = () => ({ description: "opening", relayed: false });
  let binding = new Uint8Array(0) as Uint8Array;

  const deliver = (event: PathEvent): void => {
    events.deliver(event);
    if (events.waitingBytes > UNHEARD_BYTES_MAX) end("nobody listens");
  };
  const end = (reason: string): void => {
    if (ended) return;
    ended = true;
    deliver({ type: "closed", reason });
    try {
      channel.close();
    } catch {
      // Already closed by the other end.
    }
    options.onEnd();
  };
  const opened = (): void => {
    if (ended || isOpen) return;
    isOpen = true;
    channel.bufferedAmountLowThreshold = WEBRTC_BUFFER_BYTES_LOW;
    options.onOpen();
  };
  const channel = options.attach({
    onOpen: opened,
    onMessage(frame) {
      if (!ended && !closing) deliver({ type: "frame", frame });
    },
    onLow() {
      if (!wantsRoom || ended) return;
      wantsRoom = false;
      deliver({ type: "drained" });
    },
    onClose: end,
  });
  // A channel made by the other side may be open before its events are set.
  if (channel.readyState === "open") queueMicrotask(opened);
  const flush = (reason: string, leftMs: number): void => {
    if (ended) return;
    if (leftMs <= 0 || channel.readyState !== "open" || channel.bufferedAmount === 0) {
      return end(reason);
    }
    clock.schedule(FLUSH_POLL_MS, () => flush(reason, leftMs - FLUSH_POLL_MS));
  };

  return {
    kind: "webrtc",
    get description() {
      return `webrtc ${selectedPair().description}`;
    },
    get binding() {
      return binding;
    },
    confidential: true,
    get relayed() {
      return selectedPair().relayed;
    },
    frameBytesMax: WEBRTC_FRAME_BYTES_MAX,
    bufferedBytes: () => ended ? 0 : channel.bufferedAmount,
    send(frame) {
      if (ended || closing || channel.readyState !== "open") return false;
      if (frame.length > WEBRTC_FRAME_BYTES_MAX) {
        throw new RangeError(
          `Cannot send frame: ${frame.length} bytes, expected <= ${WEBRTC_FRAME_BYTES_MAX}`,
        );
      }
      if (channel.bufferedAmount + frame.length > WEBRTC_BUFFER_BYTES_MAX) {
        wantsRoom = true;
        return false;
      }
      try {
        channel.send(frame);
        return true;
      } catch (error) {
        end(`cannot send: ${String(error)}`);
        return false;
      }
    },
    close(reason) {
      if (closing || ended) return;
      closing = true;
      flush(reason, FLUSH_MS);
    },
    listen: (listener) => events.listen(listener),
    settle(newSelectedPair, newBinding) {
      selectedPair = newSelectedPair;
      binding = newBinding;
    },
    fail: end,
  };
}
