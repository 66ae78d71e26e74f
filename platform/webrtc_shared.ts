/** What dialling and answering over WebRTC share. */
import type { DeviceId } from "../protocols/ids.ts";
import type { Clock, Crypto, Random, Signer } from "./ports.ts";
import type { Rendezvous } from "./transport.ts";
import type { Connection, IceServer, WebRtcLibrary, WebRtcLibraryName } from "./webrtc_library.ts";

/** How long candidates are gathered at most, ms; what is there by then is sent. */
const GATHER_MS = 600;

export interface WebRtcOptions {
  readonly signer: Signer;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly rendezvous: Rendezvous;
  /** Is this device an admitted member now? */
  readonly isAdmitted: (device: DeviceId) => boolean;
  /** As announced by discovery: eight hex digits, empty while we belong to no mesh. */
  readonly meshTag: () => string;
  /** STUN and TURN servers. Default none. */
  readonly iceServers?: readonly IceServer[];
  /** Default node-datachannel, werift where that cannot be loaded. */
  readonly library?: WebRtcLibraryName;
}

/** What dialling and answering have in common. */
export interface Shared {
  readonly options: WebRtcOptions;
  readonly library: WebRtcLibrary;
  /** Every connection that is not closed yet. */
  readonly open: Set<Connection>;
}

/** Our candidates, or those gathered by the time that is given. */
export async function gathered(
  shared: Shared,
  connection: Connection,
): Promise<readonly string[]> {
  const { clock } = shared.options;
  const soFar = connection.gathered;
  return await new Promise((resolve) => {
    const cancel = clock.schedule(GATHER_MS, () => resolve(soFar()));
    connection.whenGathered().then(() => {
      cancel();
      resolve(soFar());
    });
  });
}
