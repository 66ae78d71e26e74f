/** The streams of a relay tier, made once by whoever runs it: sites and devices may use them, never change them. */
import { jetstreamManager } from "@nats-io/jetstream";
import { nkeys } from "@nats-io/nats-core";
import { publicKeyOfNkey } from "../../../platform/nats_broker_nkey.ts";
import { openLink } from "../../../platform/nats_broker_link.ts";
import { MAIL_LIMITS, streamConfig } from "../../../platform/nats_broker_mail.ts";
import { parseServerAddress } from "../../../platform/nats_broker_servers.ts";
import type { Clock } from "../../../platform/ports.ts";

/** A JetStream request may wait for an election, ms. */
const API_MS_MAX = 10_000;

export interface RelayStream {
  readonly name: string;
  readonly replicas: number;
  readonly bytesMax: number;
  readonly perDeviceMax: number;
  readonly created: boolean;
}

/**
 * Makes the stream of mail, or gives it the limits as they are now.
 *
 * @throws when the hub cannot be reached, refuses the login, or has too few hubs for the replicas
 */
export async function makeRelayStreams(
  { server, seed, replicas, mailBytesMax, mailPerDeviceMax, caCertificates, clock }: {
    /** "tls://hub.example.org:4222". */
    readonly server: string;
    /** The operator's seed ("SU…"). */
    readonly seed: string;
    readonly replicas: number;
    readonly mailBytesMax: number;
    readonly mailPerDeviceMax: number;
    readonly caCertificates: readonly string[];
    readonly clock: Clock;
  },
): Promise<RelayStream> {
  const address = parseServerAddress(server);
  if (address === undefined) {
    throw new Error(
      `Cannot reach "${server}": expected an address such as "tls://hub.example.org:4222"`,
    );
  }
  const pair = nkeys.fromSeed(new TextEncoder().encode(seed));
  const publicKey = publicKeyOfNkey(pair.getPublicKey());
  if (publicKey === undefined) throw new Error("Cannot use the operator's seed: it is no user's");
  const login = { publicKey, sign: (nonce: Uint8Array) => pair.sign(nonce) };
  const link = await openLink(address, { clock, name: "submind relay", login, caCertificates });
  try {
    const manager = await jetstreamManager(link.connection, { timeout: API_MS_MAX });
    const stream = { name: "mail", subjects: "kiana.*.mail.>" };
    const limits = { ...MAIL_LIMITS, bytesMax: mailBytesMax, perSubjectMax: mailPerDeviceMax };
    const config = streamConfig(stream, limits, replicas);
    const present = await manager.streams.info(stream.name).catch(() => null);
    if (present === null) await manager.streams.add(config);
    else await manager.streams.update(stream.name, config);
    const { num_replicas } = (await manager.streams.info(stream.name)).config;
    return {
      name: stream.name,
      replicas: num_replicas,
      bytesMax: mailBytesMax,
      perDeviceMax: mailPerDeviceMax,
      created: present === null,
    };
  } finally {
    await link.close();
  }
}
