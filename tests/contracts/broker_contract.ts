/** What every Broker must do, whatever carries its messages. */
import assert from "node:assert/strict";
import {
  type Broker,
  BROKER_BYTES_MAX,
  type BrokerMessage,
  type BrokerReply,
  type BrokerState,
  type KeepOutcome,
  type KeptMessage,
} from "../../platform/broker.ts";

/** A broker and the ways to reach it. */
export interface BrokerFixture {
  /** Another client of it, not necessarily connected yet. */
  open(): Promise<Broker>;
  /** Takes the broker away without a word. */
  stop(): Promise<void>;
  /** Brings it back with what it had kept. */
  start(): Promise<void>;
  /** Closes the broker and every client of it. */
  close(): Promise<void>;
  /** For virtual time: lets what is under way happen. Absent in real time. */
  settle?(): Promise<void>;
}

/** Longest wait for something in real time; far above what any of it takes. */
const WAIT_MS = 15_000;
const utf8 = new TextEncoder();
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Runs the suite. `make` is called once per test. */
export function brokerContract(
  name: string,
  make: () => Promise<BrokerFixture>,
  options: { readonly ignore?: boolean } = {},
): void {
  const test = (title: string, body: (fixture: BrokerFixture) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${title}`,
      ignore: options.ignore ?? false,
      async fn() {
        const fixture = await make();
        try {
          await body(fixture);
        } finally {
          await fixture.close();
        }
      },
    });

  test("says that it is connected, to whom, and that it keeps mail", async (fixture) => {
    const state = await connected(fixture, await fixture.open());
    assert.ok(state.type === "connected" && state.server !== "" && state.serverName !== "");
    assert.equal(state.durable, true);
  });

  test("whoever listens to a subject hears it, with its bytes and where to answer", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    const heard = new Inbox<BrokerMessage>(fixture);
    b.subscribe("kiana.test.node.b.in", heard.push);
    b.subscribe("kiana.test.node.c.in", () => assert.fail("another subject"));
    await listening(fixture, b);
    assert.equal(a.publish("kiana.test.node.b.in", utf8.encode("one"), "kiana.test.back"), true);
    assert.equal(a.publish("kiana.test.node.b.in", new Uint8Array()), true);
    const [first, second] = [await heard.next(), await heard.next()];
    assert.deepEqual([first.subject, textOf(first.bytes), first.replyTo], [
      "kiana.test.node.b.in",
      "one",
      "kiana.test.back",
    ]);
    assert.deepEqual([second.bytes.length, second.replyTo], [0, null]);
  });

  test("a star stands for one part, an arrow for the rest", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    const star = new Inbox<BrokerMessage>(fixture);
    const rest = new Inbox<BrokerMessage>(fixture);
    b.subscribe("kiana.test.*.in", star.push);
    b.subscribe("kiana.test.>", rest.push);
    await listening(fixture, b);
    for (const subject of ["kiana.test.x.in", "kiana.test.x.y.in", "kiana.other.x.in"]) {
      a.publish(subject, utf8.encode(subject));
    }
    a.publish("kiana.test.end.in", utf8.encode("end"));
    assert.equal((await star.next()).subject, "kiana.test.x.in");
    assert.equal((await star.next()).subject, "kiana.test.end.in");
    assert.equal((await rest.next()).subject, "kiana.test.x.in");
    assert.equal((await rest.next()).subject, "kiana.test.x.y.in");
    assert.equal((await rest.next()).subject, "kiana.test.end.in");
  });

  test("messages of one sender arrive in order, whole, up to the largest", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    const heard = new Inbox<BrokerMessage>(fixture);
    b.subscribe("kiana.test.sizes", heard.push);
    await listening(fixture, b);
    const sizes = [0, 1, 4_096, 65_536, BROKER_BYTES_MAX, 7];
    for (const [index, size] of sizes.entries()) {
      assert.equal(a.publish("kiana.test.sizes", new Uint8Array(size).fill(index)), true);
    }
    for (const [index, size] of sizes.entries()) {
      assert.deepEqual((await heard.next()).bytes, new Uint8Array(size).fill(index));
    }
    assert.throws(() => a.publish("kiana.test.sizes", new Uint8Array(BROKER_BYTES_MAX + 1)));
  });

  test("bytes may be changed by their sender as soon as they were handed over", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    const heard = new Inbox<BrokerMessage>(fixture);
    b.subscribe("kiana.test.reuse", heard.push);
    await listening(fixture, b);
    const bytes = new Uint8Array(100_000).fill(1);
    a.publish("kiana.test.reuse", bytes);
    bytes.fill(2);
    assert.deepEqual((await heard.next()).bytes, new Uint8Array(100_000).fill(1));
  });

  test("a subscription that was ended hears nothing more", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    const [ended, other] = [new Inbox<BrokerMessage>(fixture), new Inbox<BrokerMessage>(fixture)];
    const end = b.subscribe("kiana.test.x", ended.push);
    b.subscribe("kiana.test.>", other.push);
    await listening(fixture, b);
    end();
    end();
    await listening(fixture, b);
    a.publish("kiana.test.x", utf8.encode("late"));
    await other.next();
    assert.equal(ended.count, 0);
  });

  test("a question has one reply", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    b.subscribe("kiana.test.ask", ({ bytes, replyTo }) => {
      assert.ok(replyTo !== null);
      b.publish(replyTo, utf8.encode(`${textOf(bytes)}!`));
      b.publish(replyTo, utf8.encode("again"));
    });
    await listening(fixture, b);
    const replies = new Inbox<BrokerReply>(fixture);
    a.request(
      { subject: "kiana.test.ask", bytes: utf8.encode("hello"), timeoutMs: 5_000 },
      replies.push,
    );
    const reply = await replies.next();
    assert.ok(reply.type === "reply" && textOf(reply.bytes) === "hello!", JSON.stringify(reply));
    await listening(fixture, a);
    assert.equal(replies.count, 1);
  });

  test("a question that nobody listens to is answered at once", async (fixture) => {
    const a = await ready(fixture);
    const replies = new Inbox<BrokerReply>(fixture);
    a.request(
      { subject: "kiana.test.void", bytes: utf8.encode("?"), timeoutMs: 60_000 },
      replies.push,
    );
    assert.deepEqual(await replies.next(), { type: "nobody" });
  });

  test("a question without an answer fails in time, a cancelled one never", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    b.subscribe("kiana.test.deaf", () => {});
    await listening(fixture, b);
    const replies = new Inbox<BrokerReply>(fixture);
    const question = { subject: "kiana.test.deaf", bytes: utf8.encode("?"), timeoutMs: 200 };
    const cancel = a.request(question, () => assert.fail("it was cancelled"));
    cancel();
    a.request(question, replies.push);
    const reply = await replies.next();
    assert.ok(reply.type === "failed" && reply.reason !== "");
  });

  test("what is kept reaches a receiver that comes later, oldest first, and once", async (fixture) => {
    const a = await ready(fixture);
    for (const text of ["one", "two", "three"]) {
      assert.deepEqual(await keep(fixture, a, "kiana.test.mail.b", text, text), { type: "kept" });
    }
    await keep(fixture, a, "kiana.test.mail.c", "elsewhere", "elsewhere");
    // The same message id: kept once.
    assert.deepEqual(await keep(fixture, a, "kiana.test.mail.b", "two", "two"), { type: "kept" });
    const b = await ready(fixture);
    const mail = new Inbox<KeptMessage>(fixture);
    const end = b.collect({ subject: "kiana.test.mail.b", name: "b" }, mail.push);
    for (const text of ["one", "two", "three"]) {
      const message = await mail.next();
      assert.deepEqual([textOf(message.bytes), message.subject, message.delivery], [
        text,
        "kiana.test.mail.b",
        1,
      ]);
      message.acknowledge();
    }
    assert.deepEqual(await keep(fixture, a, "kiana.test.mail.b", "four", "four"), { type: "kept" });
    const last = await mail.next();
    assert.equal(textOf(last.bytes), "four");
    last.acknowledge();
    end();
    assert.equal(mail.count, 4);
  });

  test("what was not acknowledged comes again, what was rejected does not", async (fixture) => {
    const a = await ready(fixture);
    for (const text of ["bad", "kept", "taken"]) {
      await keep(fixture, a, "kiana.test.mail.d", text, text);
    }
    const first = new Inbox<KeptMessage>(fixture);
    const end = a.collect({ subject: "kiana.test.mail.d", name: "d" }, first.push);
    (await first.next()).reject("no message at all");
    await first.next();
    (await first.next()).acknowledge();
    end();
    const b = await ready(fixture);
    const second = new Inbox<KeptMessage>(fixture);
    b.collect({ subject: "kiana.test.mail.d", name: "d" }, second.push);
    const again = await second.next();
    assert.deepEqual([textOf(again.bytes), again.delivery], ["kept", 2]);
    again.acknowledge();
    await keep(fixture, a, "kiana.test.mail.d", "next", "next");
    assert.equal(textOf((await second.next()).bytes), "next");
  });

  test("while the broker is away nothing is taken, and everything listens again when it is back", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    const heard = new Inbox<BrokerMessage>(fixture);
    const mail = new Inbox<KeptMessage>(fixture);
    b.subscribe("kiana.test.again", heard.push);
    b.collect({ subject: "kiana.test.mail.e", name: "e" }, mail.push);
    await keep(fixture, a, "kiana.test.mail.e", "m0", "before");
    (await mail.next()).acknowledge();
    await listening(fixture, b);
    const changes = new Inbox<BrokerState>(fixture);
    const unwatch = a.watch(changes.push);
    await fixture.stop();
    const lost = await changes.next();
    assert.ok(lost.type === "disconnected" && lost.reason !== "");
    assert.equal(a.publish("kiana.test.again", utf8.encode("lost")), false);
    assert.equal((await keep(fixture, a, "kiana.test.mail.e", "m1", "lost")).type, "failed");
    const replies = new Inbox<BrokerReply>(fixture);
    a.request({ subject: "kiana.test.x", bytes: utf8.encode("?"), timeoutMs: 1_000 }, replies.push);
    assert.equal((await replies.next()).type, "failed");
    await fixture.start();
    await connected(fixture, a);
    await connected(fixture, b);
    await listening(fixture, b);
    assert.equal(a.publish("kiana.test.again", utf8.encode("back")), true);
    assert.equal(textOf((await heard.next()).bytes), "back");
    assert.equal((await keep(fixture, a, "kiana.test.mail.e", "m2", "after")).type, "kept");
    assert.equal(textOf((await mail.next()).bytes), "after");
    unwatch();
  });

  test("after closing nothing is taken and nothing is heard", async (fixture) => {
    const [a, b] = [await ready(fixture), await ready(fixture)];
    b.subscribe("kiana.test.closed", () => assert.fail("it was closed"));
    await listening(fixture, b);
    await b.close();
    await b.close();
    assert.equal(b.state().type, "disconnected");
    assert.equal(b.publish("kiana.test.closed", utf8.encode("x")), false);
    assert.equal(b.bufferedBytes(), 0);
    a.publish("kiana.test.closed", utf8.encode("x"));
    await listening(fixture, a);
  });
}

/** A client that is connected. */
async function ready(fixture: BrokerFixture): Promise<Broker> {
  const broker = await fixture.open();
  await connected(fixture, broker);
  return broker;
}

/** Waits until the broker says that it is connected. */
export async function connected(fixture: BrokerFixture, broker: Broker): Promise<BrokerState> {
  const states = new Inbox<BrokerState>(fixture);
  const unwatch = broker.watch(states.push);
  states.push(broker.state());
  try {
    while (true) {
      const state = await states.next();
      if (state.type === "connected") return state;
    }
  } finally {
    unwatch();
  }
}

/** Waits until the broker has taken note of everything that `broker` asked of it: a question of its own goes there and back. */
async function listening(fixture: BrokerFixture, broker: Broker): Promise<void> {
  const replies = new Inbox<BrokerReply>(fixture);
  broker.request(
    { subject: "kiana.elsewhere.nobody", bytes: new Uint8Array(), timeoutMs: 5_000 },
    replies.push,
  );
  assert.equal((await replies.next()).type, "nobody");
}

async function keep(
  fixture: BrokerFixture,
  broker: Broker,
  subject: string,
  messageId: string,
  text: string,
): Promise<KeepOutcome> {
  const outcomes = new Inbox<KeepOutcome>(fixture);
  broker.keep({ subject, messageId, bytes: utf8.encode(text) }, outcomes.push);
  return await outcomes.next();
}

/** What arrived, one by one. */
class Inbox<T> {
  count = 0;
  readonly #waiting: T[] = [];
  #wake: () => void = () => {};

  constructor(readonly fixture: BrokerFixture) {}

  readonly push = (item: T): void => {
    this.count += 1;
    this.#waiting.push(item);
    this.#wake();
  };

  async next(): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("waited in vain")), WAIT_MS);
    });
    try {
      while (true) {
        const item = this.#waiting.shift();
        if (item !== undefined) return item;
        const arrived = new Promise<void>((resolve) => this.#wake = resolve);
        await this.fixture.settle?.();
        if (this.#waiting.length === 0) await Promise.race([arrived, late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
