/** What the gateway streams: server-sent events, and long tasks as lines of JSON. */
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { NodeEvent } from "../actors/events.ts";

/** Reads events from a response body until it ends or `signal` is aborted. Events that are not JSON objects are left out. */
export async function* readEvents(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
): AsyncGenerator<NodeEvent> {
  const events = body.pipeThrough(new TextDecoderStream()).pipeThrough(
    new EventSourceParserStream(),
  );
  try {
    for await (const { data } of events) {
      const event = parseEvent(data);
      if (event !== null) yield event;
    }
  } catch (error) {
    // Aborting the request is how a reader says that it has seen enough.
    if (!signal.aborted) throw error;
  }
}

/** The lines of a streamed body, without empty ones. */
export async function* readLines(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => line.trim() !== "");
  }
  if (rest.trim() !== "") yield rest;
}

function parseEvent(data: string): NodeEvent | null {
  try {
    const value: unknown = JSON.parse(data);
    const isEvent = typeof value === "object" && value !== null && "type" in value &&
      typeof value.type === "string";
    return isEvent ? value as NodeEvent : null;
  } catch {
    return null;
  }
}
