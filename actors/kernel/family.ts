/** The children of one actor, in the order in which they started, and what happens when one of them crashes. */
import type { Cell } from "./cell.ts";
import { type ActorFailure, ChildFailedError } from "./failures.ts";
import type { Host } from "./host.ts";
import type { Strategy } from "./supervisor.ts";

/** The children of one actor. */
export class Family {
  readonly #parent: Cell;
  readonly #host: Host;
  readonly #strategy: Strategy;
  readonly #cells = new Map<string, Cell>();

  constructor(parent: Cell, host: Host, strategy: Strategy) {
    this.#parent = parent;
    this.#host = host;
    this.#strategy = strategy;
  }

  has(path: string): boolean {
    return this.#cells.has(path);
  }

  get(path: string): Cell | undefined {
    return this.#cells.get(path);
  }

  /** Takes a new cell as the youngest child and starts it, unless it must wait for an elder. */
  add(child: Cell): void {
    this.#cells.set(child.path, child);
    this.startHeld();
  }

  remove(child: Cell): void {
    this.#cells.delete(child.path);
  }

  /** Ends all children, youngest first. */
  finishAll(): void {
    for (const child of this.#youngestFirst()) child.finish({ type: "stopped" });
  }

  /** Starts the children that are held, eldest first; where they rely on each other, up to the first that does not run. */
  startHeld(): void {
    const all = [...this.#cells.values()];
    if (this.#strategy === "oneForAll" && all.some((child) => child.phase === "waiting")) return;
    for (const child of all) {
      if (child.phase === "held") child.start();
      if (this.#strategy !== "oneForOne" && child.phase !== "running") return;
    }
  }

  /** A child threw (its life has ended already), or was failed by its full mailbox or by a child of its own. */
  childCrashed(child: Cell, error: unknown): void {
    const { crashes, allowed } = child.budget.spend(this.#host.clock.monotonicMs());
    const decision = child.budget.type === "temporary" ? "end" : allowed ? "restart" : "escalate";
    const delayMs = decision === "restart" ? child.budget.delayMs(crashes, this.#host.random) : 0;
    this.#report(child, { error, crashes, decision, delayMs });
    switch (decision) {
      case "end":
        child.finish({ type: "failed", error });
        return;
      case "escalate":
        child.finish({ type: "failed", error });
        this.#parent.requestCrash(new ChildFailedError(child.path, crashes, error));
        return;
      case "restart":
        this.#holdSiblings(child);
        child.restartAfter(delayMs);
        return;
      default:
        decision satisfies never;
    }
  }

  /** A child asked to end. A permanent one is started again, and that counts like a crash. */
  childStopped(child: Cell): void {
    if (child.budget.type !== "permanent") {
      child.finish({ type: "stopped" });
      return;
    }
    child.hold();
    this.childCrashed(child, new Error(`Cannot end "${child.path}": it is permanent`));
  }

  #report(child: Cell, rest: Omit<ActorFailure, "path" | "behaviour">): void {
    this.#host.reportFailure({ path: child.path, behaviour: child.behaviour.name, ...rest });
  }

  #holdSiblings(crashed: Cell): void {
    if (this.#strategy === "oneForOne") return;
    for (const sibling of this.#youngestFirst()) {
      if (sibling === crashed) {
        if (this.#strategy === "restForOne") return;
        continue;
      }
      if (sibling.budget.type === "temporary") sibling.finish({ type: "stopped" });
      else sibling.hold();
    }
  }

  #youngestFirst(): readonly Cell[] {
    return [...this.#cells.values()].reverse();
  }
}
