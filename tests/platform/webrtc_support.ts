/** Two WebRTC transports in one process, signalled through a real door on loopback or through memory. */
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import type { Rendezvous } from "../../platform/transport.ts";
import type { WebRtcLibraryName } from "../../platform/webrtc_library.ts";
import { type WebRtcOptions, webrtcTransport } from "../../platform/webrtc_transport.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";

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
  const random = systemRandom();
  const signer = nodeSigner(random.bytes(32));
  return {
    id: deviceIdOf(signer.publicKey),
    options: {
      signer,
      crypto: nodeCrypto(),
      clock: systemClock(),
      random,
      rendezvous: options.rendezvous,
      isAdmitted: options.isAdmitted ?? (() => true),
      meshTag: () => "0a1b2c3d",
      library: options.library,
    },
  };
}

export { MemoryRendezvous } from "./memory_rendezvous.ts";
export { webrtcTransport };
