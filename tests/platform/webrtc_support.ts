/** Two WebRTC transports in one process, signalled through a real door on loopback or through memory. */
import type { Rendezvous } from "../../platform/transport.ts";
import type { WebRtcLibraryName } from "../../platform/webrtc_library.ts";
import { type WebRtcOptions, webrtcTransport } from "../../platform/webrtc_transport.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { transportEnd } from "./transport_end.ts";

export interface TestEnd {
  readonly id: DeviceId;
  readonly options: WebRtcOptions;
}

/** What a transport of a new device needs; members are decided by `isAdmitted`. */
export function testEnd(options: {
  readonly rendezvous: Rendezvous;
  readonly library: WebRtcLibraryName;
  readonly isAdmitted?: (device: DeviceId) => boolean;
  readonly seed?: number;
}): TestEnd {
  const { id, options: common } = transportEnd(options.rendezvous, options.isAdmitted);
  return { id, options: { ...common, library: options.library } };
}

export { MemoryRendezvous } from "./memory_rendezvous.ts";
export { webrtcTransport };
