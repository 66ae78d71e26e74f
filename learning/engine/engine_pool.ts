/** Engines that are laid out and not in use, so that the next job of the same kind starts at once. */
import type { Network } from "../network.ts";
import { Engine, type EngineOptions } from "./engine.ts";

/** Engines kept for later: a node trains one or two networks, each with an engine for training and one for evaluation. */
const IDLE_MAX = 4;

/** Lends engines out, each to one user at a time. */
export class EnginePool {
  /** Least recently used first. */
  #idle: { readonly key: string; readonly engine: Engine }[] = [];

  /** An engine for the network. Whoever takes it gives it back, whatever happened. Throws a `TrainingError` when the network is impossible. */
  take(network: Network, options: EngineOptions): { engine: Engine; giveBack: () => void } {
    const key = JSON.stringify([network, options]);
    const at = this.#idle.findLastIndex((idle) => idle.key === key);
    const engine = this.#idle[at]?.engine ?? new Engine(network, options);
    if (at >= 0) this.#idle.splice(at, 1);
    return {
      engine,
      giveBack: () => {
        this.#idle.push({ key, engine });
        if (this.#idle.length > IDLE_MAX) this.#idle.shift();
      },
    };
  }

  /** Forgets the engines that are not in use. */
  clear(): void {
    this.#idle = [];
  }
}
