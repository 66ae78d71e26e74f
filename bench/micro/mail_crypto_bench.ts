/**
 * Question: what does protecting one message cost, and how much of it is the one step that cannot be avoided? Sending is compared with its
 * signature alone, receiving with its verification alone, MLS with the library on a state that stays in memory (ours is read from bytes
 * and written back for every message, because it must survive a crash). All in one process, the best of several rounds in turn.
 */
import {
  createApplicationMessage,
  decodeMlsMessage,
  emptyPskIndex,
  encodeMlsMessage,
  processPrivateMessage,
} from "ts-mls";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { loadSecretbox } from "../../platform/box_crypto_library.ts";
import { subkeysOf } from "../../platform/identity_subkeys.ts";
import { mlsGroupCrypto } from "../../platform/mls_crypto.ts";
import { cipherSuite } from "../../platform/mls_crypto_leaf.ts";
import { decodeState } from "../../platform/mls_crypto_state.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { nodeSigner } from "../../platform/node_signer.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import type { Content, ConversationId, MessageId } from "../../protocols/mailbox/content.ts";
import {
  createParcel,
  decodeParcel,
  encodeParcel,
  signedMessageOfParcel,
} from "../../protocols/mailbox/parcel_wire.ts";
import { openContent, sealContent } from "../../protocols/mailbox/seal.ts";
import type { Figure } from "../harness.ts";

const MESH = "4d".repeat(32) as MeshId;
/** Encoding, padding, hashing and the box may together take this many times the signature at most. Measured at 2.8 to 5.3 for 200 bytes. */
const SEND_RATIO_MAX = 8;
/** Strict decoding of parcel, header and content, and opening, over the verification. Measured at 3 to 4.6 for 200 bytes. */
const RECEIVE_RATIO_MAX = 8;
/** Reading the state of a pair of devices and writing it back, over the library's own work. Measured at 1.2 to 2.3. */
const MLS_RATIO_MAX = 4;

/** Messages per second through boxes and through MLS, with the ratios. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const crypto = nodeCrypto({ workersMax: 0 });
  try {
    return [
      ...await boxFigures(200, quick, crypto),
      ...await boxFigures(16 * 1024, quick, crypto),
      ...await groupFigures(quick, crypto),
    ];
  } finally {
    crypto.close();
  }
}

type BenchCrypto = ReturnType<typeof nodeCrypto>;

async function boxFigures(size: number, quick: boolean, crypto: BenchCrypto): Promise<Figure[]> {
  const count = quick ? 32 : 1_000;
  const rounds = quick ? 1 : 5;
  const random = systemRandom();
  const secretbox = await loadSecretbox();
  const device = (number: number) => {
    const seed = new Uint8Array(32).fill(number);
    const signer = nodeSigner(seed);
    return { signer, ...subkeysOf(seed, secretbox), id: deviceIdOf(signer.publicKey) };
  };
  const [a, b] = [device(1), device(2)];
  const address = { mesh: MESH, from: a.id, to: b.id };
  const content: Content = {
    type: "message",
    conversation: "11".repeat(16) as ConversationId,
    message: "22".repeat(16) as MessageId,
    number: 1,
    clock: 1,
    timeMs: 0,
    expiresAtMs: null,
    text: "x".repeat(size),
    attachments: [],
  };
  const plain = new Uint8Array(size);
  const box = a.sealer.seal(b.sealer.publicKey, plain, random);
  const series = new Uint8Array(8);
  const send = () => {
    const sealed = sealContent(content, address, {
      sealer: a.sealer,
      otherKey: b.sealer.publicKey,
      crypto,
      random,
    });
    const { signer } = a;
    const times = { timeMs: 0, expiresAtMs: 1_000 };
    const parcel = createParcel({
      mesh: MESH,
      to: b.id,
      number: 1,
      series,
      ...times,
      sealed,
      signer,
      crypto,
    });
    return encodeParcel(parcel);
  };
  const parcel = send();
  const decoded = decodeParcel(parcel, crypto);
  if (!decoded.ok) throw new Error(`Benchmark is wrong: ${decoded.reason}`);
  const signed = signedMessageOfParcel(decoded.message);
  const receive = () => {
    const one = decodeParcel(parcel, crypto);
    if (!one.ok || !crypto.verify(signedMessageOfParcel(one.message))) {
      throw new Error("Benchmark is wrong: a good parcel was refused");
    }
    const opened = openContent(one.message.sealed, address, {
      sealer: b.sealer,
      otherKey: a.sealer.publicKey,
      crypto,
    });
    if (!opened.ok) throw new Error(`Benchmark is wrong: ${opened.reason}`);
  };
  const ms = await bestOf(rounds, count, {
    seal: () => void a.sealer.seal(b.sealer.publicKey, plain, random),
    open: () => void b.sealer.open(a.sealer.publicKey, box),
    send: () => void send(),
    receive,
    sign: () => void a.signer.sign(signed.message),
    verify: () => void crypto.verify(signed),
  });
  const name = `${size} B`;
  const note = `${secretbox.name}; sign ${rate(count, ms.sign)}/s, verify ${
    rate(count, ms.verify)
  }/s alone`;
  return [
    { name: `box seal, ${name}`, value: rate(count, ms.seal), unit: "1/s" },
    { name: `box open, ${name}`, value: rate(count, ms.open), unit: "1/s" },
    { name: `message to parcel, ${name}`, value: rate(count, ms.send), unit: "1/s", note },
    { name: `parcel to message, ${name}`, value: rate(count, ms.receive), unit: "1/s", note },
    {
      name: `message to parcel over its signature alone, ${name}`,
      value: ms.send / ms.sign,
      unit: "×",
      ...(quick || size > 1_000 ? {} : { limit: SEND_RATIO_MAX }),
    },
    {
      name: `parcel to message over its verification alone, ${name}`,
      value: ms.receive / ms.verify,
      unit: "×",
      ...(quick || size > 1_000 ? {} : { limit: RECEIVE_RATIO_MAX }),
    },
  ];
}

async function groupFigures(quick: boolean, crypto: BenchCrypto): Promise<Figure[]> {
  const count = quick ? 8 : 200;
  const rounds = quick ? 1 : 3;
  const suite = await cipherSuite(crypto);
  const member = (number: number) => {
    const signer = nodeSigner(new Uint8Array(32).fill(number));
    const group = mlsGroupCrypto({ signer, crypto, clock: systemClock() });
    return { group, id: deviceIdOf(signer.publicKey) };
  };
  const [a, b] = [member(1), member(2)];
  const own = await a.group.keyPackage(a.id);
  const others = await b.group.keyPackage(b.id);
  const added = await a.group.change(
    await a.group.create(new Uint8Array(16), own),
    { add: [others.publicPackage], remove: [] },
  );
  const joined = await b.group.join(added.welcome!, others);
  const plaintext = new Uint8Array(1_024);
  let state = added.state;
  const messages: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const sent = await a.group.encrypt(state, plaintext);
    messages.push(sent.message);
    state = sent.state;
  }
  let times = { send: Infinity, receive: Infinity, bareSend: Infinity, bareReceive: Infinity };
  for (let round = 0; round < rounds; round++) {
    let [ours, bare] = [added.state, decodeState(added.state, defaultClientConfig).group];
    const send = await timed(async () => {
      for (let i = 0; i < count; i++) ours = (await a.group.encrypt(ours, plaintext)).state;
    });
    const bareSend = await timed(async () => {
      for (let i = 0; i < count; i++) {
        const sent = await createApplicationMessage(bare, plaintext, suite);
        const { privateMessage } = sent;
        encodeMlsMessage({ version: "mls10", wireformat: "mls_private_message", privateMessage });
        bare = sent.newState;
      }
    });
    let theirs = joined!;
    let bareTheirs = decodeState(joined!, defaultClientConfig).group;
    const receive = await timed(async () => {
      for (const message of messages) {
        const outcome = await b.group.process(theirs, message);
        if (outcome.type !== "application") throw new Error("Benchmark is wrong: not readable");
        theirs = outcome.state;
      }
    });
    const bareReceive = await timed(async () => {
      for (const bytes of messages) {
        const [message] = decodeMlsMessage(bytes, 0)!;
        if (message.wireformat !== "mls_private_message") throw new Error("Benchmark is wrong");
        bareTheirs = (await processPrivateMessage(
          bareTheirs,
          message.privateMessage,
          emptyPskIndex,
          suite,
        )).newState;
      }
    });
    times = {
      send: Math.min(times.send, send),
      receive: Math.min(times.receive, receive),
      bareSend: Math.min(times.bareSend, bareSend),
      bareReceive: Math.min(times.bareReceive, bareReceive),
    };
  }
  const limit = quick ? {} : { limit: MLS_RATIO_MAX };
  return [
    { name: "MLS send, 1 KiB, two members", value: rate(count, times.send), unit: "1/s" },
    { name: "MLS receive, 1 KiB, two members", value: rate(count, times.receive), unit: "1/s" },
    {
      name: "MLS send over the library alone",
      value: times.send / times.bareSend,
      unit: "×",
      ...limit,
    },
    {
      name: "MLS receive over the library alone",
      value: times.receive / times.bareReceive,
      unit: "×",
      ...limit,
    },
    {
      name: "MLS adds to 1 KiB",
      value: messages[0]!.length - plaintext.length,
      unit: "B",
      note: `state of two members: ${state.length} bytes`,
    },
  ];
}

/** Each of the works `count` times, in turn, `rounds` times; the shortest time of each, ms. */
async function bestOf<Name extends string>(
  rounds: number,
  count: number,
  works: Readonly<Record<Name, () => void>>,
): Promise<Record<Name, number>> {
  const best = {} as Record<Name, number>;
  for (let round = 0; round < rounds; round++) {
    for (const [name, work] of Object.entries(works) as [Name, () => void][]) {
      const ms = await timed(() => {
        for (let i = 0; i < count; i++) work();
      });
      best[name] = Math.min(best[name] ?? Infinity, ms);
    }
  }
  return best;
}

async function timed(work: () => void | Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function rate(count: number, ms: number): number {
  return Math.round(count / ms * 1_000);
}
