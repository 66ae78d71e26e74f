import assert from "node:assert/strict";
import type { NodeEvent } from "../../actors/events.ts";
import {
  CHUNKS_WAITING_MAX,
  EVENTS_KEPT,
  HEARTBEAT_MS,
  READERS_MAX,
} from "../../gateway/event_hub.ts";
import { OTHER } from "./fake_node.ts";
import { withGateway } from "./gateway_fixture.ts";

function warning(n: number): NodeEvent {
  return { type: "warning", source: "test", message: `${n}` };
}

/** Reads what has been sent so far, in server-sent event frames. */
function framesOf(response: Response) {
  assert.equal(response.headers.get("Content-Type"), "text/event-stream");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  return {
    async next(): Promise<string> {
      const { value, done } = await reader.read();
      return done ? "end" : value;
    },
    /** The id and data of the next frame. */
    async event(): Promise<{ id: string; type: string; data: Record<string, unknown> }> {
      const match = /^id: (.+)\nevent: (.+)\ndata: (.+)\n\n$/.exec(await this.next());
      assert.ok(match);
      return { id: match[1]!, type: match[2]!, data: JSON.parse(match[3]!) };
    },
    cancel: () => reader.cancel(),
  };
}

Deno.test("events are streamed with their ids and heartbeats between them", () =>
  withGateway(async ({ request, node, clock }) => {
    const frames = framesOf(await request("/v1/events"));
    assert.match(await frames.next(), /^retry: /);
    node.publish({ type: "inSyncWith", deviceId: OTHER });
    const event = await frames.event();
    assert.equal(event.type, "inSyncWith");
    assert.deepEqual(event.data, { type: "inSyncWith", deviceId: OTHER });
    clock.advance(15_000);
    assert.equal(await frames.next(), ": heartbeat\n\n");
    clock.advance(15_000);
    assert.equal(await frames.next(), ": heartbeat\n\n");
    await frames.cancel();
  }));

Deno.test("text in an event cannot break out of its frame", () =>
  withGateway(async ({ request, node }) => {
    const frames = framesOf(await request("/v1/events"));
    await frames.next();
    const message = "a\n\nevent: meshJoined\ndata: {}\n\n";
    node.publish({ type: "warning", source: "test", message });
    assert.equal((await frames.event()).data.message, message);
    await frames.cancel();
  }));

Deno.test("a reader that comes back gets what it has missed", () =>
  withGateway(async ({ request, node }) => {
    const frames = framesOf(await request("/v1/events"));
    await frames.next();
    node.publish(warning(1));
    const { id } = await frames.event();
    await frames.cancel();
    node.publish(warning(2));
    node.publish(warning(3));
    for (
      const again of [
        await request("/v1/events", { headers: { "Last-Event-ID": id } }),
        await request(`/v1/events?lastEventId=${id}`),
      ]
    ) {
      const rest = framesOf(again);
      await rest.next();
      assert.equal((await rest.event()).data.message, "2");
      assert.equal((await rest.event()).data.message, "3");
      await rest.cancel();
    }
  }));

Deno.test("a reader that has missed too much, or knows another start, is told to read anew", () =>
  withGateway(async ({ request, node }) => {
    const frames = framesOf(await request("/v1/events"));
    await frames.next();
    node.publish(warning(0));
    const { id } = await frames.event();
    await frames.cancel();
    for (let n = 0; n < EVENTS_KEPT; n++) node.publish(warning(n));
    const atLimit = framesOf(await request("/v1/events", { headers: { "Last-Event-ID": id } }));
    await atLimit.next();
    assert.equal((await atLimit.event()).type, "warning", "all of them are still kept");
    await atLimit.cancel();
    node.publish(warning(0));
    const start = id.split("-")[0];
    for (const last of [id, "00000000-1", `${start}-999999`, `${start}-x`, "nonsense"]) {
      const again = framesOf(await request("/v1/events", { headers: { "Last-Event-ID": last } }));
      await again.next();
      const first = await again.event();
      assert.equal(first.type, "resync", last);
      assert.notEqual(first.id, last, "it may resume from here");
      await again.cancel();
    }
  }));

Deno.test("a reader that does not read is dropped at the bound and others are not", () =>
  withGateway(async ({ request, node, gateway }) => {
    const slow = await request("/v1/events");
    const good = framesOf(await request("/v1/events"));
    await good.next();
    for (let n = 0; n < CHUNKS_WAITING_MAX + 10; n++) {
      node.publish(warning(n));
      assert.equal((await good.event()).data.message, `${n}`);
    }
    assert.equal(gateway.events.dropped(), 1);
    assert.equal(gateway.events.readers(), 1);
    await assert.rejects(slow.text(), /too slow/);
    await good.cancel();
  }));

Deno.test("there are only so many readers and those who leave make room", () =>
  withGateway(async ({ request, gateway }) => {
    const open = await Promise.all(
      Array.from({ length: READERS_MAX }, () => request("/v1/events")),
    );
    assert.equal((await request("/v1/events")).status, 503);
    await open[0]!.body!.cancel();
    assert.equal(gateway.events.readers(), READERS_MAX - 1);
    const last = await request("/v1/events");
    assert.equal(last.status, 200);
    for (const each of [...open.slice(1), last]) await each.body!.cancel();
  }));

Deno.test("closing the gateway ends the streams", () =>
  withGateway(async ({ request, gateway }) => {
    const frames = framesOf(await request("/v1/events"));
    await frames.next();
    await gateway.close();
    assert.equal(await frames.next(), "end");
    assert.equal((await request("/v1/events")).status, 503);
  }));

Deno.test("a stream ends soon after its token has, by time or by rotation", () =>
  withGateway(async ({ request, gateway, clock, tokens, mint }) => {
    /** What the reader of `token` gets at the next heartbeat and after it. */
    async function afterHeartbeat(token: string, ending: () => Promise<void> | void) {
      const frames = framesOf(await request("/v1/events", { token }));
      await frames.next();
      await ending();
      clock.advance(HEARTBEAT_MS);
      assert.equal(await frames.next(), ": heartbeat\n\n");
      return frames;
    }
    const short = await tokens.mint({ subject: "phone", scope: "read", validMs: 20_000 });
    const frames = await afterHeartbeat(short, () => {});
    clock.advance(HEARTBEAT_MS);
    assert.equal(await frames.next(), ": heartbeat\n\n");
    assert.equal(await frames.next(), "end", "its time is over");
    const rotated = await afterHeartbeat(await mint("phone", "read"), () => tokens.rotate());
    assert.equal(await rotated.next(), "end", "the secret was rotated");
    assert.equal(gateway.events.readers(), 0);
  }));

Deno.test("asking for the events with HEAD leaves no reader behind", () =>
  withGateway(async ({ request, gateway }) => {
    const response = await request("/v1/events", { method: "HEAD" });
    assert.equal(response.status, 200);
    assert.equal(gateway.events.readers(), 0);
  }));
