/** What dialling and answering over WebRTC share. */
import type { SignallingOptions } from "./signalling.ts";
import type {
  Connection,
  IcePolicy,
  IceServer,
  WebRtcLibrary,
  WebRtcLibraryName,
} from "./webrtc_library.ts";

/** How long candidates are gathered at most, ms; what is there by then is sent. */
const GATHER_MS = 600;
/** The same when there are TURN servers: an allocation takes several round trips, and a way through it may be the only one. */
const GATHER_RELAY_MS = 2_000;

/** What a WebRTC transport needs. */
export interface WebRtcOptions extends SignallingOptions {
  /** STUN and TURN servers, asked anew for every connection: credentials of TURN servers are short-lived. Default none. */
  readonly iceServers?: () => readonly IceServer[];
  /** Default all. */
  readonly icePolicy?: IcePolicy;
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

/** True when connections may go over a TURN server, and so take longer to open. */
export function mayRelay({ iceServers }: Pick<WebRtcOptions, "iceServers">): boolean {
  return iceServers?.().some(({ urls }) => urls.startsWith("turn")) ?? false;
}

/** Our candidates, or those gathered by the time that is given. */
export async function gathered(
  shared: Shared,
  connection: Connection,
): Promise<readonly string[]> {
  const { clock } = shared.options;
  const withinMs = mayRelay(shared.options) ? GATHER_RELAY_MS : GATHER_MS;
  const soFar = connection.gathered;
  return await new Promise((resolve) => {
    const cancel = clock.schedule(withinMs, () => resolve(soFar()));
    connection.whenGathered().then(() => {
      cancel();
      resolve(soFar());
    });
  });
}

/**
 * Addresses of server-reflexive candidates whose port is the one of the socket behind them. A router that keeps the port of this
 * socket will most likely keep that of another: so the same address with the port of the QUIC socket is worth a try.
 *
 * Libraries may hide the socket behind such a candidate ("raddr 0.0.0.0 rport 0", as libjuice does); the host candidates tell its port as well.
 */
export function portKeepingHosts(candidates: readonly string[]): readonly string[] {
  const hosts = new Set<string>();
  const ownPorts = new Set<string>();
  const read = candidates.map((candidate) =>
    /^candidate:\S+ \d+ udp \d+ (\S+) (\d+) typ (host|srflx)(?: raddr \S+ rport (\d+))?/i
      .exec(candidate)
  );
  for (const fields of read) if (fields?.[3]?.toLowerCase() === "host") ownPorts.add(fields[2]!);
  for (const fields of read) {
    const [, host, port, type, behind] = fields ?? [];
    if (host === undefined || port === undefined || type?.toLowerCase() !== "srflx") continue;
    const hidden = behind === undefined || behind === "0";
    if (hidden ? ownPorts.has(port) : port === behind) hosts.add(host);
  }
  return [...hosts];
}
