/** Every way in which this device opens paths to others, best first, and what helps them: port mapping, STUN, and a look at the own network. */
import { type PortMapping, portMapping, type PortToMap } from "../platform/port_mapping.ts";
import { routerGateway } from "../platform/port_mapping_router.ts";
import { networkWatch } from "../platform/network_watch.ts";
import type { Clock, Crypto, Log, Random, Signer } from "../platform/ports.ts";
import { type QuicTransport, quicTransport } from "../platform/quic_transport.ts";
import { sharedSignals } from "../platform/signal_requests.ts";
import type { Rendezvous, Transport } from "../platform/transport.ts";
import { iceServers } from "../platform/turn_credentials.ts";
import { openTurnStreams } from "../platform/turn_stream.ts";
import { type WebRtcTransport, webrtcTransport } from "../platform/webrtc_transport.ts";
import { type DeviceId, deviceIdOf } from "../protocols/ids.ts";
import { decodeQuicSignal, type QuicCandidate } from "../protocols/session/quic_signalling.ts";
import type { Config } from "./config.ts";

export interface PathsOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly rendezvous: Rendezvous;
  /** The port where the rendezvous listens; null when it does not. */
  readonly rendezvousPort: number | null;
  readonly isAdmitted: (device: DeviceId) => boolean;
  readonly meshTag: () => string;
}

export interface Paths {
  /** Best first. */
  readonly transports: readonly Transport[];
  /** Addresses of our rendezvous beyond this network, for announcements and invites. */
  outsideAddresses(): readonly string[];
  /** See `NodeDependencies`. */
  watchNetwork(onChange: () => void): () => void;
  close(): Promise<void>;
}

/** What STUN servers say is asked again this often, ms. */
const STUN_EVERY_MS = 15 * 60_000;

/** Opens them. A runtime without QUIC simply has one kind less. */
export async function openPaths(options: PathsOptions): Promise<Paths> {
  const { config, clock, random, log, rendezvous } = options;
  const { signer, crypto, isAdmitted, meshTag } = options;
  const common = { signer, crypto, clock, isAdmitted, meshTag };
  const signals = sharedSignals(rendezvous);
  const device = deviceIdOf(signer.publicKey);
  const { relayOnly } = config.ice;
  // A device that must not show its addresses has no QUIC either: that is always direct.
  const wantsQuic = config.quic.enabled && !relayOnly;
  // WebRTC libraries speak TURN over UDP; a network that lets no UDP out needs the other ways.
  const streams = await openTurnStreams(config.ice.turnServers, { clock, log });
  const webrtc = await webrtcTransport({
    ...common,
    random: random.fork("webrtc"),
    rendezvous: signals.of((body) => !wantsQuic || !isQuicSignal(body)),
    iceServers: () => streams.translate(iceServers(config.ice, { device, nowMs: clock.wallMs() })),
    icePolicy: relayOnly ? "relay" : "all",
  });
  const outside = outsideView({ options, webrtc });
  const quic = wantsQuic ? await openQuic() : null;
  outside.start(quic?.port ?? null);
  const watch = networkWatch({ clock });
  watch.watch(() => outside.renew());

  async function openQuic(): Promise<QuicTransport | null> {
    try {
      const opened = await quicTransport({
        ...common,
        random: random.fork("quic"),
        rendezvous: signals.of(isQuicSignal),
        port: options.rendezvousPort ?? 0,
        outside: () => outside.candidates(),
      });
      if (opened === null) log.write("info", "this runtime has no QUIC", {});
      return opened;
    } catch (error) {
      log.write("warning", "QUIC does not start", { error: String(error) });
      return null;
    }
  }

  return {
    transports: quic === null ? [webrtc] : [quic, webrtc],
    outsideAddresses: () => outside.addresses(),
    watchNetwork: (onChange) => watch.watch(onChange),
    async close() {
      watch.close();
      await outside.stop();
      await quic?.close();
      await webrtc.close();
      streams.close();
    },
  };
}

function isQuicSignal(body: Uint8Array): boolean {
  return decodeQuicSignal(body).ok;
}

/** What this device knows of itself as others see it. */
function outsideView({ options, webrtc }: {
  readonly options: PathsOptions;
  readonly webrtc: WebRtcTransport;
}) {
  const { config, clock, log, rendezvousPort } = options;
  let mapping: PortMapping | undefined;
  let quicPort: number | null = null;
  let hosts: readonly string[] = [];
  let stopped = false;
  let cancel: () => void = () => {};
  const askStun = async (): Promise<void> => {
    cancel();
    try {
      if (config.ice.stunServers.length > 0) hosts = await webrtc.outsideHosts();
    } catch (error) {
      log.write("debug", "STUN failed", { error: String(error) });
    }
    if (!stopped) cancel = clock.schedule(STUN_EVERY_MS, () => void askStun());
  };
  return {
    start(port: number | null): void {
      quicPort = port;
      if (config.ice.stunServers.length > 0 && !config.ice.relayOnly) void askStun();
      const ports: PortToMap[] = [];
      if (rendezvousPort !== null) ports.push({ protocol: "TCP", port: rendezvousPort });
      if (port !== null) ports.push({ protocol: "UDP", port });
      // Looking for a router is multicast; and a port that changes with every start is not worth a mapping.
      const wanted = config.portMapping.enabled && config.discovery.multicast &&
        config.rendezvous.port !== 0 && !config.ice.relayOnly && ports.length > 0;
      const openGateway = () => routerGateway({ clock, random: options.random.fork("router") });
      if (wanted) mapping = portMapping({ clock, log, ports, openGateway });
    },
    candidates(): readonly QuicCandidate[] {
      const mapped = mapping?.outside("UDP") ?? null;
      const guessed = quicPort === null ? [] : hosts.map((host) => ({ host, port: quicPort! }));
      return mapped === null ? guessed : [mapped, ...guessed];
    },
    addresses(): readonly string[] {
      const mapped = mapping?.outside("TCP") ?? null;
      return mapped === null ? [] : [`http://${mapped.host}:${mapped.port}`];
    },
    renew(): void {
      hosts = [];
      mapping?.renew();
      if (config.ice.stunServers.length > 0 && !config.ice.relayOnly) void askStun();
    },
    async stop(): Promise<void> {
      stopped = true;
      cancel();
      await mapping?.stop();
    },
  };
}
