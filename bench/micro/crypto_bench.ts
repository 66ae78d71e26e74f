/**
 * Questions: what does the acceptance rule in front of every signature cost over bare `node:crypto`, what does caching keys save, and
 * what do other cores bring? Ours and bare run in turn in one process, and the best of each counts: other load then hits both alike.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { Buffer } from "node:buffer";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import type { SignedMessage } from "../../platform/ports.ts";
import type { Figure } from "../harness.ts";

const MESSAGE_BYTES = 47;
/** Ours may take at most this many times the bare call. Measured at about 1.0 to 1.1; the rest is for noise. */
const RATIO_MAX = 1.5;
/** With two cores or more, verifying many must not be slower than one thread by more than this. */
const MANY_RATIO_MAX = 1.2;

/** Signatures per second of the port, and the ratios to bare `node:crypto`. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const count = quick ? 1_024 : 10_240;
  const rounds = quick ? 1 : 5;
  const seed = new Uint8Array(32).fill(7);
  const signer = nodeSigner(seed);
  const bareKey = privateKeyOf(seed);
  const messages = Array.from({ length: count }, (_, index) => messageOf(index));

  const signing = await compare(rounds, {
    ours: () => messages.forEach((message) => void signer.sign(message)),
    bare: () => messages.forEach((message) => void sign(null, message, bareKey)),
  });
  const signed: SignedMessage[] = messages.map((message) => ({
    publicKey: signer.publicKey,
    message,
    signature: signer.sign(message),
  }));
  const barePublic = createPublicKey(bareKey as never);
  const bareVerify = () =>
    signed.forEach((one) => mustHold(verify(null, one.message, barePublic, one.signature)));
  const crypto = nodeCrypto();
  try {
    const verifying = await compare(rounds, {
      ours: () => signed.forEach((one) => mustHold(crypto.verify(one))),
      bare: bareVerify,
    });
    // Starts the workers, which a node does once.
    await crypto.verifyMany(signed);
    const many = await compare(rounds, {
      ours: async () => (await crypto.verifyMany(signed)).forEach(mustHold),
      bare: bareVerify,
    });
    const cores = navigator.hardwareConcurrency;
    return [
      ...figures("sign", count, signing, quick ? undefined : RATIO_MAX),
      ...figures("verify", count, verifying, quick ? undefined : RATIO_MAX),
      ...figures(
        `verifyMany on ${cores} cores`,
        count,
        many,
        quick || cores < 2 ? undefined : MANY_RATIO_MAX,
      ),
    ];
  } finally {
    crypto.close();
  }
}

interface Times {
  readonly oursMs: number;
  readonly bareMs: number;
}

async function compare(
  rounds: number,
  work: { readonly ours: () => void | Promise<void>; readonly bare: () => void },
): Promise<Times> {
  let [oursMs, bareMs] = [Infinity, Infinity];
  for (let round = 0; round < rounds; round++) {
    let startMs = performance.now();
    work.bare();
    bareMs = Math.min(bareMs, performance.now() - startMs);
    startMs = performance.now();
    await work.ours();
    oursMs = Math.min(oursMs, performance.now() - startMs);
  }
  return { oursMs, bareMs };
}

function figures(
  name: string,
  count: number,
  { oursMs, bareMs }: Times,
  limit: number | undefined,
): Figure[] {
  const perSecond = (ms: number) => Math.round(count / ms * 1_000);
  return [
    {
      name: `Ed25519 ${name}`,
      value: perSecond(oursMs),
      unit: "1/s",
      note: `${count} messages of ${MESSAGE_BYTES} bytes; bare node:crypto on one thread: ${
        perSecond(bareMs)
      } 1/s`,
    },
    {
      name: `Ed25519 ${name}, time over bare node:crypto`,
      value: oursMs / bareMs,
      unit: "×",
      ...(limit === undefined ? {} : { limit }),
    },
  ];
}

/** As long as what a block signature covers: domain, zero byte, hash. */
function messageOf(index: number): Uint8Array {
  const message = new Uint8Array(MESSAGE_BYTES);
  new DataView(message.buffer).setUint32(0, index);
  return message;
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  const key = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function mustHold(valid: boolean): void {
  if (!valid) throw new Error("Benchmark is wrong: a good signature was refused");
}
