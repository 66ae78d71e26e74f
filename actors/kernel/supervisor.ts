/**
 * Supervision as data. `supervisor` makes a behaviour that only starts its children; the kernel applies the strategy that
 * stands in the behaviour. Every child has a restart budget of its own, whatever its siblings do.
 */
import type { Random } from "../../platform/ports.ts";
import type {
  Behaviour,
  RestartBackoff,
  RestartIntensity,
  RestartType,
  SpawnOptions,
} from "./actor.ts";

/**
 * Who is started anew when a child crashes. `oneForOne`: that child. `restForOne`: it and those started after it.
 * `oneForAll`: all. Siblings end in reverse order and start in order.
 */
export type Strategy = "oneForOne" | "restForOne" | "oneForAll";

/** Default 3 restarts in 60,000 ms. */
export const DEFAULT_INTENSITY: RestartIntensity = { restartsMax: 3, withinMs: 60_000 };

/** Default: the first restart at once, then 100 ms doubling up to 10,000 ms. */
export const DEFAULT_BACKOFF: RestartBackoff = { firstMs: 100, factor: 2, maxMs: 10_000 };

/** One line of a supervision table. */
export interface ChildSpec extends SpawnOptions {
  /** Its last path element. */
  readonly key: string;
  // deno-lint-ignore no-explicit-any -- children of one table accept different commands
  readonly behaviour: Behaviour<any, any>;
}

export interface SupervisorSpec {
  readonly name: string;
  readonly strategy: Strategy;
  /** Budget of each child that names none of its own. */
  readonly intensity?: RestartIntensity;
  /** Backoff of each child that names none of its own. */
  readonly backoff?: RestartBackoff;
  /** Started in this order, stopped in reverse; later ones may rely on earlier ones. Default restart `permanent`. */
  readonly children: readonly ChildSpec[];
}

/** A behaviour that starts the children of its table and takes no commands. */
export function supervisor(spec: SupervisorSpec): Behaviour<never, SupervisorSpec> {
  return {
    name: spec.name,
    strategy: spec.strategy,
    init(context) {
      for (const child of spec.children) {
        context.spawn(child.key, child.behaviour, {
          restart: child.restart ?? "permanent",
          intensity: child.intensity ?? spec.intensity ?? DEFAULT_INTENSITY,
          backoff: child.backoff ?? spec.backoff ?? DEFAULT_BACKOFF,
        });
      }
      return spec;
    },
    receive() {},
  };
}

/** The restart budget of one child. */
export class RestartBudget {
  readonly type: RestartType;
  readonly #intensity: RestartIntensity;
  readonly #backoff: RestartBackoff;
  /** Monotonic ms of the crashes in the window, oldest first. */
  #crashesMs: number[] = [];

  constructor(options: SpawnOptions) {
    this.type = options.restart ?? "transient";
    this.#intensity = options.intensity ?? DEFAULT_INTENSITY;
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF;
  }

  /** Notes a crash at `nowMs` (monotonic). Returns how many lie in the window now, and whether the budget allows a restart. */
  spend(nowMs: number): { readonly crashes: number; readonly allowed: boolean } {
    const { restartsMax, withinMs } = this.#intensity;
    this.#crashesMs = this.#crashesMs.filter((at) => nowMs - at < withinMs);
    this.#crashesMs.push(nowMs);
    const crashes = this.#crashesMs.length;
    return { crashes, allowed: crashes <= restartsMax };
  }

  /** How long to wait after the `crashes`-th crash of the window, ms: none, then a growing wait of which a random half is cut off. */
  delayMs(crashes: number, random: Random): number {
    if (crashes <= 1) return 0;
    const { firstMs, factor, maxMs } = this.#backoff;
    const waitMs = Math.min(maxMs, firstMs * factor ** (crashes - 2));
    // At least 1 ms, so that no loop of crashes keeps the process from its other work.
    return Math.max(1, waitMs * (1 - random.float() / 2));
  }
}
