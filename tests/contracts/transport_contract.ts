/** What every Transport must do, whatever carries its frames. */
import assert from "node:assert/strict";
import type {
  DialOutcome,
  DialTarget,
  Path,
  PathEvent,
  Transport,
} from "../../platform/transport.ts";

/** Two ends of one kind that can reach each other. */
export interface TransportPair {
  readonly a: Transport;
  readonly b: Transport;
  /** Where `a` finds `b`. */
  readonly toB: DialTarget;
  /** An address where nobody is. */
  readonly toNobody: DialTarget;
  /** Closes both transports and whatever they stand on. */
  close(): Promise<void>;
  /** For virtual time: lets what is under way happen. Absent in real time. */
  settle?(): Promise<void>;
}

/** Runs the suite. `make` is called once per test. */
export function transportContract(name: string, make: () => Promise<TransportPair>): void {
  const test = (title: string, body: (pair: TransportPair) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${title}`,
      // Native libraries keep threads and handles of their own; leaks are the business of "lets go of the process".
      sanitizeOps: false,
      sanitizeResources: false,
      async fn() {
        const pair = await make();
        try {
          await body(pair);
        } finally {
          await pair.close();
        }
      },
    });

  test("frames arrive whole, in order, once, in both directions", async (pair) => {
    const { ours, theirs } = await openPaths(pair);
    const sizes = [1, 2, 1_000, 16_384, ours.path.frameBytesMax];
    for (const [from, to] of [[ours, theirs], [theirs, ours]] as const) {
      for (const [index, size] of sizes.entries()) {
        assert.equal(from.path.send(new Uint8Array(size).fill(index)), true);
      }
      for (const [index, size] of sizes.entries()) {
        assert.deepEqual(await to.frame(pair), new Uint8Array(size).fill(index));
      }
    }
  });

  test("both ends have the same binding when the path is confidential", async (pair) => {
    const { ours, theirs } = await openPaths(pair);
    assert.deepEqual(ours.path.binding, theirs.path.binding);
    assert.equal(ours.path.confidential, theirs.path.confidential);
    if (ours.path.confidential) assert.ok(ours.path.binding.length >= 16);
    assert.notEqual(ours.path.description, "");
  });

  test("frames that come before anybody listens are kept in order", async (pair) => {
    const accepted = nextPath(pair.b);
    const ours = await dialled(pair);
    for (const value of [1, 2, 3]) assert.ok(ours.send(Uint8Array.of(value)));
    const theirs = new Listener(await resolved(accepted, pair), false);
    await new Promise<void>((resolve) => setTimeout(resolve, pair.settle === undefined ? 200 : 0));
    theirs.listen();
    for (const value of [1, 2, 3]) assert.deepEqual(await theirs.frame(pair), Uint8Array.of(value));
  });

  test("a full buffer refuses frames, says drained later, and loses nothing", async (pair) => {
    const { ours, theirs } = await openPaths(pair);
    const size = Math.min(64_000, ours.path.frameBytesMax);
    let sent = 0;
    let refusals = 0;
    while (sent < 400 && refusals < 3) {
      const frame = new Uint8Array(size);
      new DataView(frame.buffer).setUint32(0, sent);
      if (ours.path.send(frame)) {
        sent += 1;
        continue;
      }
      refusals += 1;
      await ours.event("drained", pair);
    }
    assert.ok(refusals > 0, "400 large frames never filled the buffer");
    for (let index = 0; index < sent; index++) {
      const frame = await theirs.frame(pair);
      assert.equal(new DataView(frame.buffer, frame.byteOffset).getUint32(0), index);
    }
  });

  test("closing tells both ends once, after what was sent", async (pair) => {
    const { ours, theirs } = await openPaths(pair);
    assert.ok(ours.path.send(Uint8Array.of(9)));
    ours.path.close("finished");
    assert.deepEqual(await theirs.frame(pair), Uint8Array.of(9));
    await theirs.event("closed", pair);
    await ours.event("closed", pair);
    assert.equal(ours.path.send(Uint8Array.of(1)), false);
    ours.path.close("again");
    assert.equal(ours.closedCount, 1);
    assert.equal(theirs.closedCount, 1);
  });

  test("dialling where nobody is fails with a reason", async (pair) => {
    const outcome = await resolved(
      new Promise<DialOutcome>((resolve) => pair.a.dial(pair.toNobody, resolve)),
      pair,
    );
    assert.ok(outcome.type === "failed" && outcome.reason !== "");
  });

  test("a cancelled dial has no outcome", async (pair) => {
    pair.b.accept((path) => path.listen(() => {}));
    let outcomes = 0;
    const cancel = pair.a.dial(pair.toB, () => outcomes += 1);
    cancel();
    await new Promise<void>((resolve) => setTimeout(resolve, pair.settle === undefined ? 300 : 0));
    await pair.settle?.();
    assert.equal(outcomes, 0);
  });
}

async function openPaths(pair: TransportPair): Promise<{ ours: Listener; theirs: Listener }> {
  const accepted = nextPath(pair.b);
  const ours = new Listener(await dialled(pair));
  return { ours, theirs: new Listener(await resolved(accepted, pair)) };
}

function nextPath(transport: Transport): Promise<Path> {
  return new Promise((resolve) => {
    const stop = transport.accept((path) => {
      stop();
      resolve(path);
    });
  });
}

async function dialled(pair: TransportPair): Promise<Path> {
  const outcome = await resolved(
    new Promise<DialOutcome>((resolve) => pair.a.dial(pair.toB, resolve)),
    pair,
  );
  assert.ok(outcome.type === "opened", JSON.stringify(outcome));
  return outcome.path;
}

async function resolved<T>(promise: Promise<T>, pair: TransportPair): Promise<T> {
  await pair.settle?.();
  return await promise;
}

/** Collects a path's events. */
class Listener {
  closedCount = 0;
  readonly #events: PathEvent[] = [];
  #wake: () => void = () => {};

  constructor(readonly path: Path, listening = true) {
    if (listening) this.listen();
  }

  listen(): void {
    this.path.listen((event) => {
      if (event.type === "closed") this.closedCount += 1;
      this.#events.push(event);
      this.#wake();
    });
  }

  async frame(pair: TransportPair): Promise<Uint8Array> {
    const event = await this.event("frame", pair);
    assert.ok(event.type === "frame");
    return event.frame;
  }

  async event(type: PathEvent["type"], pair: TransportPair): Promise<PathEvent> {
    while (true) {
      const index = this.#events.findIndex((event) => event.type === type);
      const [event] = index < 0 ? [] : this.#events.splice(index, 1);
      if (event !== undefined) return event;
      const arrived = new Promise<void>((resolve) => this.#wake = resolve);
      await resolved(arrived, pair);
    }
  }
}
