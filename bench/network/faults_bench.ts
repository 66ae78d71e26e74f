/**
 * Question: what is lost, and how long is it felt, when brokers, hubs, links, nodes and TURN servers are killed while messages flow between two
 * homes? Needs what the bench `nat` needs.
 */
import { runFaults } from "../../tests/lab/nat_faults.ts";
import { whyNoNatWorld } from "../../tests/lab/nat_world.ts";
import type { Figure } from "../harness.ts";

const SEED = "1";
const MESSAGES = 10_000;
const MESSAGES_QUICK = 400;

const WHAT = {
  leaf: "home's broker killed (SIGKILL)",
  hubLeader: "leading hub of three killed (SIGKILL)",
  leafLink: "home cut off for 5 s, counted from healing",
  node: "node killed (SIGKILL) and started again",
  turn: "TURN server killed while it carries everything",
} as const;

export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const reason = await whyNoNatWorld();
  if (reason !== null) throw new Error(`Cannot measure faults between homes here: ${reason}`);
  const folder = await Deno.makeTempDir({ prefix: "submind-bench-" });
  try {
    const messages = quick ? MESSAGES_QUICK : MESSAGES;
    const report = await runFaults({ seed: SEED, messages, folder, onProgress: () => {} });
    const note = `of ${report.messages} in both directions, seed ${report.seed}, ${
      Math.round(report.ms / 1_000)
    } s`;
    return [
      { name: "faults: messages lost", value: report.lost, unit: "messages", limit: 0, note },
      {
        name: "faults: messages shown twice",
        value: report.duplicated,
        unit: "messages",
        limit: 0,
      },
      ...report.faults.map(({ fault, failover_ms }) => ({
        name: `faults: ${WHAT[fault]}`,
        value: failover_ms,
        unit: "ms",
        note: "until a message of each side, written right after it, is shown at the other",
      })),
    ];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
