/**
 * Question: does a node answer while it trains? A whole node in this process, its gateway asked over loopback for `/v1/status` one request after another,
 * first at rest and then while workers of the same process train the CNN of McMahan et al. 2017 without a break.
 */
import { initialParameters } from "../../learning/engine/initial.ts";
import { mcmahanCnn } from "../../learning/engine/networks.ts";
import type { TrainingJob } from "../../learning/trainer.ts";
import { loadConfig } from "../../deployments/config.ts";
import { type RunningNode, startNode } from "../../deployments/node.ts";
import { WorkerTrainer } from "../../platform/worker_trainer.ts";
import type { Figure } from "../harness.ts";

/** What a person would not notice, ms. */
const LIMIT_MS = 100;

/** Latency of a status, at rest and while the node trains. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const requests = quick ? 20 : 1_000;
  const directory = await Deno.makeTempDir({ prefix: "submind-bench-" });
  const trainer = new WorkerTrainer();
  let node: RunningNode | undefined;
  try {
    const outcome = loadConfig({
      dataDirectory: directory,
      environment: {},
      hostName: "bench",
      overrides: {
        "gateway.port": 0,
        "rendezvous.port": 0,
        "rendezvous.host": "127.0.0.1",
        "discovery.multicast": false,
        "log.level": "error",
      },
    });
    if (outcome.type !== "loaded") {
      throw new Error(`Cannot measure: ${JSON.stringify(outcome)}`);
    }
    node = await startNode({ config: outcome.config });
    await latencies(node, Math.ceil(requests / 10));
    const idle = await latencies(node, requests);
    let isTraining = true;
    let examples = 0;
    const training = (async () => {
      const job = cnnJob();
      while (isTraining) {
        await trainer.train(job);
        examples += job.dataset.count;
      }
    })();
    const startedMs = performance.now();
    const busy = await latencies(node, requests);
    isTraining = false;
    await training;
    const rate = examples / (performance.now() - startedMs) * 1_000;
    return [
      { name: "status at rest, p50", value: at(idle, 0.5), unit: "ms" },
      { name: "status at rest, p99", value: at(idle, 0.99), unit: "ms" },
      { name: "status while training the CNN, p50", value: at(busy, 0.5), unit: "ms" },
      {
        name: "status while training the CNN, p99",
        value: at(busy, 0.99),
        unit: "ms",
        ...(quick ? {} : { limit: LIMIT_MS }),
        ratio: at(busy, 0.99) / at(idle, 0.99),
        note: `against the same at rest; ${Math.round(rate)} examples/s on ${
          Math.max(1, navigator.hardwareConcurrency - 1)
        } worker(s) meanwhile`,
      },
    ];
  } finally {
    trainer.close();
    await node?.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

/** Ascending, ms. */
async function latencies(node: RunningNode, count: number): Promise<number[]> {
  const headers = { Authorization: `Bearer ${node.token}` };
  const found: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    const response = await fetch(`${node.gatewayUrl}/v1/status`, { headers });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`Cannot measure: /v1/status answers ${response.status}`);
    found.push(performance.now() - startedMs);
    // Below what the gateway lets one person ask in a minute.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return found.toSorted((a, b) => a - b);
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

function cnnJob(): TrainingJob {
  const network = mcmahanCnn();
  const count = 20;
  const seed = new Uint8Array(32);
  return {
    network,
    parameters: initialParameters(network, seed),
    dataset: {
      exampleLength: 784,
      count,
      inputs: Uint8Array.from({ length: 784 * count }, (_, i) => i % 5 === 0 ? i % 251 : 0),
      labels: Uint8Array.from({ length: count }, (_, i) => i % 10),
    },
    epochs: 1,
    batchSize: 10,
    learningRate: 0.01,
    seed,
  };
}
