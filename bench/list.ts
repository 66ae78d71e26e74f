/** Every bench by name, for `deno task bench`. Modules are loaded when they run, so that one does not slow down another. */
import type { Figure } from "./harness.ts";

export interface BenchModule {
  /** Measures. `quick` is the small size, which also runs in the tests. */
  run(options: { readonly quick: boolean }): Promise<readonly Figure[]>;
}

export const BENCHES: Readonly<Record<string, () => Promise<BenchModule>>> = {
  kernel: () => import("./micro/kernel_bench.ts"),
  crypto: () => import("./micro/crypto_bench.ts"),
  mailCrypto: () => import("./micro/mail_crypto_bench.ts"),
  blocks: () => import("./micro/blocks_bench.ts"),
  store: () => import("./micro/store_bench.ts"),
  search: () => import("./micro/search_bench.ts"),
  reconcile: () => import("./micro/reconcile_bench.ts"),
  simulator: () => import("./micro/simulator_bench.ts"),
  liveness: () => import("./micro/liveness_bench.ts"),
  models: () => import("./micro/models_bench.ts"),
  training: () => import("./micro/training_bench.ts"),
  gossip: () => import("./micro/gossip_bench.ts"),
  aggregation: () => import("./micro/aggregation_bench.ts"),
  compression: () => import("./micro/compression_bench.ts"),
  privacy: () => import("./micro/privacy_bench.ts"),
  secureSum: () => import("./micro/secure_sum_bench.ts"),
  rounds: () => import("./micro/rounds_bench.ts"),
  gateway: () => import("./network/gateway_bench.ts"),
  node: () => import("./network/node_bench.ts"),
  trainingGateway: () => import("./network/training_gateway_bench.ts"),
  webrtc: () => import("./network/webrtc_bench.ts"),
  paths: () => import("./network/paths_bench.ts"),
  transfer: () => import("./network/transfer_bench.ts"),
  messages: () => import("./network/messages_bench.ts"),
  messagePaths: () => import("./network/message_paths_bench.ts"),
  broker: () => import("./network/broker_bench.ts"),
  relay: () => import("./network/relay_bench.ts"),
  learningCrowd: () => import("./network/learning_crowd_bench.ts"),
  discovery: () => import("./network/discovery_bench.ts"),
  bridge: () => import("./network/bridge_bench.ts"),
  nat: () => import("./network/nat_bench.ts"),
  faults: () => import("./network/faults_bench.ts"),
};
