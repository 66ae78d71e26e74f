/** A process that stores much, prints what was acknowledged and each time its worker begins a checkpoint, until it is killed. */
import { setImmediate } from "node:timers";
import { CheckpointLane } from "../../platform/checkpoint_lane.ts";
import { TestAuthor } from "./authors.ts";
import { openStore } from "./folders.ts";

const [directory = "", round = "0"] = Deno.args;
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));

class PrintingLane extends CheckpointLane {
  override async checkpoint(path: string): Promise<boolean> {
    print("checkpoint begins");
    const done = await super.checkpoint(path);
    print(done ? "checkpoint done" : "checkpoint failed");
    return done;
  }
}

const lane = new PrintingLane();
lane.start();
// It answers in order: now it is there.
await lane.release("");
const store = await openStore(directory, { checkpointLane: lane });
const author = new TestAuthor(`author ${round}`);
for (;;) {
  const blocks = Array.from({ length: 40 }, () => author.write(new Uint8Array(30_000)));
  const outcomes = await store.blocks.put(blocks);
  print(outcomes.map(({ type, id }) => `block ${type} ${id}`).join("\n"));
  // A commit takes no turn of the event loop, in which alone a worker's answers are heard.
  await new Promise<void>((resolve) => setImmediate(resolve));
}
