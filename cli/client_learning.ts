/** Federated learning of the running node over HTTP. */
import type {
  BudgetView,
  ModelComparison,
  ModelView,
  NewRun,
  RoundMetrics,
  RunView,
  TaskView,
  Verification,
} from "../actors/learning_handle.ts";
import { type GatewayHttp, LONG_CALL_TIMEOUT_MS } from "./client_http.ts";

const ROOT = "/v1/learning";

/** A run as JSON carries it: bytes of its plan are base64. */
export type RunJson = Omit<RunView, "plan"> & {
  readonly plan: Omit<RunView["plan"], "seed"> & { readonly seed: string };
};

/** The routes of learning; see `NodeClient.learning`. Runs and versions may be shortened to a unique beginning of at least 6 digits. */
export class LearningClient {
  readonly #http: GatewayHttp;

  constructor(http: GatewayHttp) {
    this.#http = http;
  }

  async tasks(): Promise<readonly TaskView[]> {
    return (await this.#http.json<{ tasks: readonly TaskView[] }>(`${ROOT}/tasks`)).tasks;
  }

  /** @param idempotencyKey the same key within 24 h is the same run */
  start(run: NewRun, idempotencyKey: string): Promise<RunJson> {
    return this.#http.json(`${ROOT}/runs`, {
      method: "POST",
      json: run,
      headers: { "Idempotency-Key": idempotencyKey },
    });
  }

  async runs(): Promise<readonly RunJson[]> {
    return (await this.#http.json<{ runs: readonly RunJson[] }>(`${ROOT}/runs`)).runs;
  }

  run(run: string): Promise<RunJson> {
    return this.#http.json(pathOf("runs", run));
  }

  /** Joins it, leaves it, or ends it for everybody. */
  change(run: string, what: "join" | "leave" | "stop"): Promise<RunJson> {
    return this.#http.json(`${pathOf("runs", run)}/${what}`, { method: "POST" });
  }

  /** Oldest first. */
  async rounds(run: string): Promise<readonly RoundMetrics[]> {
    const path = `${pathOf("runs", run)}/rounds`;
    return (await this.#http.json<{ rounds: readonly RoundMetrics[] }>(path)).rounds;
  }

  async models(run?: string): Promise<readonly ModelView[]> {
    const query = { run };
    const path = `${ROOT}/models`;
    return (await this.#http.json<{ models: readonly ModelView[] }>(path, { query })).models;
  }

  compare(a: string, b: string): Promise<ModelComparison> {
    return this.#http.json(`${pathOf("models", a)}/compare/${encodeURIComponent(b)}`);
  }

  rollBack(version: string): Promise<ModelView> {
    return this.#http.json(`${pathOf("models", version)}/rollback`, { method: "POST" });
  }

  /** Recomputes what a version claims; a big round takes a while. */
  verify(version: string): Promise<Verification> {
    return this.#http.json(`${pathOf("models", version)}/verify`, {
      timeoutMs: LONG_CALL_TIMEOUT_MS,
    });
  }

  /** The file's bytes as they arrive. */
  async export(
    version: string,
    format: "safetensors" | "onnx",
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const response = await this.#http.call(`${pathOf("models", version)}/export`, {
      query: { format },
      accept: "*/*",
      timeoutMs: LONG_CALL_TIMEOUT_MS,
    });
    return response.body ?? new ReadableStream({ start: (controller) => controller.close() });
  }

  budget(): Promise<BudgetView> {
    return this.#http.json(`${ROOT}/budget`);
  }

  setBudget(epsilonLifetimeMax: number): Promise<BudgetView> {
    return this.#http.json(`${ROOT}/budget`, { method: "PUT", json: { epsilonLifetimeMax } });
  }
}

function pathOf(kind: "runs" | "models", id: string): string {
  return `${ROOT}/${kind}/${encodeURIComponent(id)}`;
}
