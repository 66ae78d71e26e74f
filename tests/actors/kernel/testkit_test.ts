/** The testkit records what an actor does as values, and lets the test play the world. */
import assert from "node:assert/strict";
import type { Behaviour, Ref } from "../../../actors/kernel/actor.ts";
import { topic } from "../../../actors/kernel/bus.ts";
import { TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";

type Command = "work" | "due" | "bad" | { readonly done: boolean } | { readonly news: string };
const news = topic<string>("news");

function worker(
  out: Ref<string>,
): Behaviour<Command, { done: number; inlet: (n: string) => void }> {
  return {
    name: "worker",
    init(context) {
      context.subscribe(news, (event) => ({ news: event }));
      return { done: 0, inlet: context.inlet((event: string) => ({ news: event })) };
    },
    receive(context, state, command) {
      if (command === "work") {
        context.perform(() => Promise.resolve(7), (outcome) => ({ done: outcome.ok }));
        context.startTimer("t", 50, "due");
      } else if (command === "due") context.send(out, `due at ${context.monotonicMs()}`);
      else if (command === "bad") {
        context.send(out, "never");
        throw new Error("bad");
      } else if ("done" in command) state.done++;
      else context.send(out, command.news);
    },
  };
}

Deno.test("effects are recorded in order as comparable values", () => {
  const actor = testActor(worker(testRef("out")));
  assert.deepEqual(actor.takeEffects(), [{ type: "subscribe", topic: "news" }]);
  assert.deepEqual(actor.tell("work"), [
    { type: "perform", task: 0 },
    { type: "startTimer", key: "t", delayMs: 50, message: "due" },
  ]);
  assert.deepEqual(actor.takeEffects(), []);
});

Deno.test("tasks, timers, topics and inlets are moved by hand", async () => {
  const out = testRef<string>("out");
  const actor = testActor(worker(out));
  actor.tell("work");
  await actor.runTask();
  assert.equal(actor.state.done, 1);
  assert.deepEqual(TestActor.sentTo(actor.advance(49), out), []);
  assert.deepEqual(TestActor.sentTo(actor.advance(1), out), ["due at 50"]);
  assert.deepEqual(TestActor.sentTo(actor.publish(news, "hot"), out), ["hot"]);
  actor.state.inlet("from outside");
  assert.deepEqual(TestActor.sentTo(actor.runInlets(), out), ["from outside"]);
});

Deno.test("a command that throws has no effects", () => {
  const actor = testActor(worker(testRef("out")));
  actor.takeEffects();
  assert.throws(() => actor.tell("bad"), /bad/);
  assert.deepEqual(actor.takeEffects(), []);
});
