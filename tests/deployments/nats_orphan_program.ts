/** Runs a leaf until it is killed; prints its process id once it runs. */
import { startLeaf } from "../../deployments/nats/leaf.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { until } from "../platform/nats_support.ts";
import { SETTINGS } from "./nats_leaf_support.ts";

const outcome = await startLeaf({
  self: "orphan",
  settings: SETTINGS,
  dataDirectory: Deno.args[0] ?? "",
  environment: {},
  access: { tag: null, members: [], sensors: [] },
  clock: systemClock(),
  log: { write: () => {} },
});
if (outcome.type !== "started") throw new Error(JSON.stringify(outcome));
await until("it runs", () => outcome.leaf.view().state === "running");
console.log(outcome.leaf.view().pid);
