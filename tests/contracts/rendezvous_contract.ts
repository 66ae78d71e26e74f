/** What every Rendezvous must do, whatever carries its requests. */
import assert from "node:assert/strict";
import {
  type Rendezvous,
  RENDEZVOUS_BYTES_MAX,
  type RendezvousReply,
} from "../../platform/transport.ts";

export interface RendezvousPair {
  readonly asking: Rendezvous;
  readonly serving: Rendezvous;
  /** Where `asking` reaches `serving`. */
  readonly address: string;
  readonly nobody: string;
  close(): Promise<void>;
  /** For virtual time: lets what is under way happen. */
  settle?(): Promise<void>;
}

/** Runs the suite. `make` is called once per test. */
export function rendezvousContract(name: string, make: () => Promise<RendezvousPair>): void {
  const test = (title: string, body: (pair: RendezvousPair) => Promise<void>) =>
    Deno.test(`${name}: ${title}`, async () => {
      const pair = await make();
      try {
        await body(pair);
      } finally {
        await pair.close();
      }
    });
  const ask = async (
    pair: RendezvousPair,
    change: Partial<Parameters<Rendezvous["request"]>[0]> = {},
  ): Promise<RendezvousReply> => {
    const request = {
      address: pair.address,
      channel: "signal" as const,
      body: Uint8Array.of(1, 2, 3),
      timeoutMs: 2_000,
      ...change,
    };
    const reply = new Promise<RendezvousReply>((resolve) => pair.asking.request(request, resolve));
    await pair.settle?.();
    return await reply;
  };

  test("a request is answered with the body of the reply", async (pair) => {
    pair.serving.serve("signal", (request) => request.reply(request.body.slice().reverse()));
    assert.deepEqual(await ask(pair), { type: "reply", body: Uint8Array.of(3, 2, 1) });
    assert.deepEqual(await ask(pair, { body: new Uint8Array(0) }), {
      type: "reply",
      body: new Uint8Array(0),
    });
  });

  test("channels have handlers of their own", async (pair) => {
    pair.serving.serve("signal", (request) => request.reply(Uint8Array.of(1)));
    pair.serving.serve("pair", (request) => request.reply(Uint8Array.of(2)));
    assert.deepEqual(await ask(pair, { channel: "pair" }), {
      type: "reply",
      body: Uint8Array.of(2),
    });
    assert.deepEqual(await ask(pair), { type: "reply", body: Uint8Array.of(1) });
  });

  test("a refusal carries its reason", async (pair) => {
    pair.serving.serve("signal", (request) => request.refuse("Not accepted"));
    assert.deepEqual(await ask(pair), { type: "refused", reason: "Not accepted" });
  });

  test("without a handler requests are refused, and again after it was removed", async (pair) => {
    assert.equal((await ask(pair)).type, "refused");
    const stop = pair.serving.serve("signal", (request) => request.reply(new Uint8Array(1)));
    assert.equal((await ask(pair)).type, "reply");
    stop();
    assert.equal((await ask(pair)).type, "refused");
  });

  test("bodies of the largest size travel whole, larger ones fail", async (pair) => {
    pair.serving.serve("signal", (request) => request.reply(request.body.slice()));
    const body = new Uint8Array(RENDEZVOUS_BYTES_MAX).fill(7);
    assert.deepEqual(await ask(pair, { body }), { type: "reply", body });
    assert.equal(
      (await ask(pair, { body: new Uint8Array(RENDEZVOUS_BYTES_MAX + 1) })).type,
      "failed",
    );
  });

  test("an address where nobody is fails with a reason", async (pair) => {
    const reply = await ask(pair, { address: pair.nobody });
    assert.ok(reply.type === "failed" && reply.reason !== "");
  });

  test("a handler that never answers makes the request fail in time", async (pair) => {
    pair.serving.serve("signal", () => {});
    assert.equal((await ask(pair, { timeoutMs: 200 })).type, "failed");
  });

  test("a cancelled request has no reply", async (pair) => {
    let replies = 0;
    const handled = new Promise<void>((resolve) =>
      pair.serving.serve("signal", (request) => {
        queueMicrotask(() => request.reply(new Uint8Array(1)));
        resolve();
      })
    );
    const cancel = pair.asking.request(
      { address: pair.address, channel: "signal", body: new Uint8Array(1), timeoutMs: 1_000 },
      () => replies += 1,
    );
    await pair.settle?.();
    await handled;
    cancel();
    await pair.settle?.();
    if (pair.settle === undefined) assert.equal(replies, 0);
  });
}
