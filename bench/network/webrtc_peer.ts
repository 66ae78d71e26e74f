/**
 * One end of the WebRTC bench: a node's sessions actor on a real transport and a real door, plus a bare data channel of the
 * same library to compare with. Run as a program it is the answering end and prints where it listens.
 */
import type { Behaviour, Context, Ref } from "../../actors/kernel/actor.ts";
import { ActorSystem } from "../../actors/kernel/system.ts";
import { type PeerPresence, peerPresence } from "../../actors/discovery/commands.ts";
import { membershipChanged } from "../../actors/members/commands.ts";
import type { PeerMessage, SessionsCommand } from "../../actors/sessions/commands.ts";
import { sessions } from "../../actors/sessions/sessions.ts";
import { openHttpRendezvous } from "../../platform/http_rendezvous.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { type Channel, type Connection, loadWebRtcLibrary } from "../../platform/webrtc_library.ts";
import { quicTransport } from "../../platform/quic_transport.ts";
import { sharedSignals } from "../../platform/signal_requests.ts";
import type { Transport } from "../../platform/transport.ts";
import { webrtcTransport } from "../../platform/webrtc_transport.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import type { Member, Registry } from "../../protocols/registry/registry.ts";
import { decodeQuicSignal } from "../../protocols/session/quic_signalling.ts";
import { withoutCandidates } from "../../protocols/session/signalling.ts";
import type { Store } from "../../store/store.ts";

/** First byte of a bench message. */
export const ECHO = 1;
export const BULK = 2;
const CREDIT = 3;
/** The receiver reports after this many bulk bytes; the sender keeps a few of these under way. */
export const CREDIT_BYTES = 1024 * 1024;

export function benchDevice(number: number): DeviceId {
  return deviceIdOf(nodeSigner(new Uint8Array(32).fill(number)).publicKey);
}

const MESH = "ab".repeat(32) as MeshId;

type Relay = { readonly registry: Registry } | { readonly presence: PeerPresence };

/** Starts one end. `onMessage` hears every message of the session. */
export async function startEnd(
  number: number,
  onMessage: (body: Uint8Array, reply: (body: Uint8Array) => void) => void,
  kinds: readonly ("quic" | "webrtc")[] = ["webrtc"],
  /** Between a transport and the sessions above it. */
  through: (transport: Transport) => Transport = (transport) => transport,
) {
  const clock = systemClock();
  const random = systemRandom();
  const crypto = nodeCrypto();
  const signer = nodeSigner(new Uint8Array(32).fill(number));
  const self = deviceIdOf(signer.publicKey);
  const door = openHttpRendezvous({
    clock,
    listen: { hostname: "127.0.0.1", port: 0 },
    limits: { requestsPerWindow: 100_000 },
  });
  const common = {
    signer,
    crypto,
    clock,
    random,
    isAdmitted: () => true,
    meshTag: () => "abababab",
  };
  const signals = sharedSignals(door);
  const isQuic = (body: Uint8Array) => decodeQuicSignal(body).ok;
  const transport = await webrtcTransport({
    ...common,
    rendezvous: signals.of((body) => !isQuic(body)),
  });
  const quic = kinds.includes("quic")
    ? await quicTransport({ ...common, rendezvous: signals.of(isQuic) })
    : null;
  const transports = quic === null ? [transport] : [quic, transport];
  const system = new ActorSystem({ clock, random, log: { write() {} } });
  const sessionsPath: { ref: Ref<SessionsCommand> | undefined } = { ref: undefined };
  const send = (to: DeviceId, body: Uint8Array) => {
    if (sessionsPath.ref) {
      system.tell(sessionsPath.ref, { type: "sendToPeer", to, protocol: "sync", body });
    }
  };
  const collector: Behaviour<PeerMessage<Uint8Array>, null> = {
    name: "collector",
    init: () => null,
    receive: (_context, _state, { from, message }) =>
      onMessage(message, (body) => send(from, body)),
  };
  const relay: Behaviour<Relay, null> = {
    name: "relay",
    init: () => null,
    receive(context: Context<Relay>, _state, message) {
      if ("registry" in message) context.publish(membershipChanged, message);
      else context.publish(peerPresence, message.presence);
    },
  };
  const to = system.spawn("collector", collector);
  const relayRef = system.spawn("relay", relay);
  const settings = { entries: () => Promise.resolve([]) } as unknown as Store["settings"];
  sessionsPath.ref = system.spawn(
    "sessions",
    sessions({
      self,
      store: { settings },
      transports: transports.map(through),
      routes: [{
        protocol: "sync",
        decode: (body: Uint8Array) => ({ ok: true, message: body }),
        to,
      }],
      crypto,
      signer,
    }),
  );
  system.tell(relayRef, { registry: registry() });
  return {
    self,
    door,
    transport,
    quic,
    system,
    sessions: sessionsPath.ref,
    send,
    sight(deviceId: DeviceId, address: string) {
      const sighting = {
        deviceId,
        displayName: "bench",
        role: "submind",
        capabilities: [],
        meshTag: "abababab",
        protocolVersion: 1,
        port: 1,
        addresses: [address],
      };
      system.tell(relayRef, { presence: { type: "sighted", deviceId, sighting } });
    },
    async close() {
      await system.stop();
      for (const one of transports) await one.close();
      await door.close();
      await crypto.close?.();
    },
  };
}

function registry(): Registry {
  const members = [1, 2].map((number) => {
    const deviceId = benchDevice(number);
    return [deviceId, { deviceId, displayName: "bench", revoked: false } as Member] as const;
  });
  return { mesh: MESH, founder: benchDevice(1), members: new Map(members), heads: [] };
}

/** Answers bulk with credit and echoes with themselves. */
function answering(): (body: Uint8Array, reply: (body: Uint8Array) => void) => void {
  let bytes = 0;
  return (body, reply) => {
    if (body[0] === ECHO) return reply(body.slice());
    bytes += body.length;
    while (bytes >= CREDIT_BYTES) {
      bytes -= CREDIT_BYTES;
      reply(Uint8Array.of(CREDIT));
    }
  };
}

/** The bare data channel, answering end: signalled over the channel "pair" of the door, in JSON. */
async function answerBare(
  door: Awaited<ReturnType<typeof startEnd>>["door"],
): Promise<() => void> {
  const library = await loadWebRtcLibrary();
  let connection: Connection | undefined;
  door.serve("pair", (request) => {
    const said = JSON.parse(new TextDecoder().decode(request.body)) as {
      sdp?: string;
      candidates?: string[];
    };
    const reply = (value: unknown) =>
      request.reply(new TextEncoder().encode(JSON.stringify(value)));
    if (said.sdp === undefined) {
      for (const candidate of said.candidates ?? []) connection?.addCandidate(candidate);
      return reply({});
    }
    const opened = library.connect([]);
    connection = opened;
    const react = answering();
    opened.onChannel((attach) => {
      const channel: Channel = attach({
        onOpen() {},
        onMessage: (body) => react(body, (answer) => channel.send(answer)),
        onLow() {},
        onClose() {},
      });
    });
    opened.answer(said.sdp).then(async (sdp) => {
      await opened.whenGathered();
      reply({ sdp: withoutCandidates(sdp), candidates: opened.gathered() });
    });
  });
  return () => connection?.close();
}

if (import.meta.main) {
  const end = await startEnd(2, answering(), ["quic", "webrtc"]);
  await answerBare(end.door);
  console.log(JSON.stringify({ port: end.door.port }));
  // Lives until its input ends: no process is left behind when the bench dies.
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}
