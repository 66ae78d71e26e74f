/** Signals of several transports over one channel, and asking a device at several addresses. */
import assert from "node:assert/strict";
import { firstReply, sharedSignals } from "../../platform/signal_requests.ts";
import type { Rendezvous, RendezvousRequest } from "../../platform/transport.ts";
import { decodeQuicSignal } from "../../protocols/session/quic_signalling.ts";
import { TestTime } from "../actors/sessions/test_time.ts";
import { MemoryRendezvous } from "./memory_rendezvous.ts";
import { dialled, openQuic, quicEnd } from "./quic_support.ts";

function ask(net: MemoryRendezvous, body: Uint8Array): Promise<string> {
  return new Promise((resolve) =>
    net.at("stranger").request(
      { address: "b", channel: "signal", body, timeoutMs: 1_000 },
      (reply) =>
        resolve(reply.type === "reply" ? new TextDecoder().decode(reply.body) : reply.reason),
    )
  );
}

const say = (text: string) => (request: RendezvousRequest) =>
  request.reply(new TextEncoder().encode(text));

Deno.test("each transport gets its own signals, and what nobody takes goes to the first", async () => {
  const net = new MemoryRendezvous();
  const signals = sharedSignals(net.at("b"));
  const stopOnes = signals.of((body) => body[0] === 1).serve("signal", say("ones"));
  const stopTwos = signals.of((body) => body[0] === 2).serve("signal", say("twos"));
  assert.equal(await ask(net, Uint8Array.of(1)), "ones");
  assert.equal(await ask(net, Uint8Array.of(2)), "twos");
  assert.equal(await ask(net, Uint8Array.of(3)), "ones");
  stopOnes();
  assert.equal(await ask(net, Uint8Array.of(1)), "twos");
  stopTwos();
  assert.equal(await ask(net, Uint8Array.of(2)), "nobody there");
});

Deno.test("QUIC opens beside another transport on the same channel", async () => {
  const net = new MemoryRendezvous();
  const signals = sharedSignals(net.at("b"));
  const isQuic = (body: Uint8Array) => decodeQuicSignal(body).ok;
  signals.of((body) => !isQuic(body)).serve("signal", say("the other transport"));
  const end = quicEnd(signals.of(isQuic));
  const b = await openQuic(end.options);
  b.accept((path) => path.listen(() => {}));
  const a = await openQuic(quicEnd(net.at("127.0.0.1")).options);
  assert.equal((await dialled(a, end.id, "b")).type, "opened");
  assert.equal(await ask(net, Uint8Array.of(9)), "the other transport");
  await Promise.all([a.close(), b.close()]);
});

/** Answers at some addresses, after a while, or never. */
function played(time: TestTime, answers: Record<string, { afterMs: number; ok: boolean }>) {
  const asked: string[] = [];
  const rendezvous: Pick<Rendezvous, "request"> = {
    request: ({ address }, onReply) => {
      asked.push(`${address} at ${time.nowMs}`);
      const answer = answers[address];
      if (answer === undefined) return () => {};
      return time.schedule(answer.afterMs, () =>
        onReply(
          answer.ok
            ? { type: "reply", body: new TextEncoder().encode(address) }
            : { type: "refused", reason: "Not accepted" },
        ));
    },
  };
  return { asked, rendezvous: rendezvous as Rendezvous };
}

Deno.test("a dead address holds up the next one for a quarter of a second, a refusal not at all", async () => {
  const time = new TestTime();
  const { asked, rendezvous } = played(time, {
    refusing: { afterMs: 10, ok: false },
    alive: { afterMs: 20, ok: true },
  });
  const addresses = ["dead", "refusing", "alive", "unneeded"];
  const body = new Uint8Array(1);
  const reply = firstReply({ clock: time, rendezvous, addresses, body, cancels: [] });
  await time.run(1_000);
  assert.equal((await reply).address, "alive");
  assert.deepEqual(asked, ["dead at 0", "refusing at 250", "alive at 260"]);
});

Deno.test("when every address refuses, the last reason is given", async () => {
  const time = new TestTime();
  const { rendezvous } = played(time, { only: { afterMs: 5, ok: false } });
  const cancels: (() => void)[] = [];
  const body = new Uint8Array(1);
  const reply = firstReply({ clock: time, rendezvous, addresses: ["only"], body, cancels });
  const rejected = assert.rejects(reply, /only: Not accepted/);
  await time.run(10);
  await rejected;
});
