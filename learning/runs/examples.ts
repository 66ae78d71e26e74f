/** What a device trains on in a run: its task's examples, and its share of them where the plan divides a common data set. */
import { errorText } from "../../platform/error_text.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import type { DataShare, ExampleSource, LearningTask, TaskExamples } from "../task.ts";
import type { RunPlan } from "./plan.ts";

/** This device's examples; or why it has none, be it that they cannot be read. */
export async function examplesFor(
  plan: RunPlan,
  { tasks, source, self }: {
    readonly tasks: readonly LearningTask[];
    readonly source: ExampleSource;
    readonly self: DeviceId;
  },
): Promise<TaskExamples | { readonly unavailable: string }> {
  const task = tasks.find(({ name }) => name === plan.task);
  if (task === undefined) {
    return { unavailable: `no task "${plan.task}" is known` };
  }
  let share: DataShare | null = null;
  if (plan.share !== null) {
    const { devices, kind, alpha } = plan.share;
    const index = devices.indexOf(self);
    if (index < 0) {
      return {
        unavailable: "this run divides a data set among devices, and this one is not among them",
      };
    }
    share = {
      index,
      count: devices.length,
      kind,
      ...(alpha !== null && { alpha }),
      seed: new Uint8Array(plan.seed),
    };
  }
  try {
    return await task.examples({ source, options: plan.options, share });
  } catch (error) {
    return { unavailable: errorText(error) };
  }
}
