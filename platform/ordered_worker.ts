/**
 * One worker that answers in the order in which it was asked. It starts when it is told to and ends when it was idle for a while, so that a quiet node pays
 * nothing. When it cannot start or dies, whoever waits is told so, and it is not tried again.
 */

export interface OrderedWorkerOptions<Request> {
  readonly startWorker: () => Worker;
  /** The worker ends after this long without work. */
  readonly idleMs: number;
  /** Asked last, and answered, before the worker ends; without it it ends at once, whoever waits. */
  readonly last?: Request;
}

/** One worker while it runs. */
interface Life<Reply> {
  readonly worker: Worker;
  /** Who waits for an answer, in order; null when none will come. */
  readonly open: ((reply: Reply | null) => void)[];
  hasAnswered: boolean;
}

/** At most one worker at a time that may be asked. */
export class OrderedWorker<Request, Reply> {
  readonly #options: OrderedWorkerOptions<Request>;
  #life: Life<Reply> | undefined;
  #broken = false;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** Resolved when no worker is on its way out. */
  #ended: Promise<unknown> = Promise.resolve();

  constructor(options: OrderedWorkerOptions<Request>) {
    this.#options = options;
  }

  /** False once the worker turned out not to work here. */
  get usable(): boolean {
    return !this.#broken;
  }

  /** True when a worker runs or is about to. */
  get started(): boolean {
    return this.#life !== undefined;
  }

  /** True while a worker runs that has answered: its modules are loaded. */
  get ready(): boolean {
    return this.#life?.hasAnswered === true;
  }

  /** Resolves when the workers that were to end have ended. */
  get ended(): Promise<unknown> {
    return this.#ended;
  }

  /** Starts the worker unless one runs, or has turned out not to work here. */
  start(): void {
    if (this.#broken || this.#life !== undefined) return;
    try {
      this.#life = this.#begin();
    } catch {
      this.#broken = true;
      return;
    }
    this.#rest();
  }

  /** The answer; null when no worker runs, or when it ends before it answers. `transfer` is handed over. */
  ask(request: Request, transfer: Transferable[] = []): Promise<Reply | null> {
    const life = this.#life;
    if (life === undefined) return Promise.resolve(null);
    clearTimeout(this.#idleTimer);
    return new Promise((answered) => {
      life.open.push(answered);
      life.worker.postMessage(request, transfer);
    });
  }

  /** Ends the worker; it may be started again. Resolves when none is left. */
  async close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    const life = this.#life;
    const { last } = this.#options;
    if (life !== undefined && last !== undefined) {
      const answered = this.ask(last);
      this.#ended = Promise.all([this.#ended, answered.then(() => life.worker.terminate())]);
    } else if (life !== undefined) endNow(life);
    // From here on a new request starts anew. Whoever still waits is answered by the one that ends.
    this.#life = undefined;
    await this.#ended;
  }

  /** Ends the worker for good: it does not do its work. */
  fail(): void {
    this.#broken = true;
    clearTimeout(this.#idleTimer);
    if (this.#life !== undefined) endNow(this.#life);
    this.#life = undefined;
  }

  #begin(): Life<Reply> {
    const life: Life<Reply> = {
      worker: this.#options.startWorker(),
      open: [],
      hasAnswered: false,
    };
    life.worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      life.hasAnswered = true;
      life.open.shift()?.(data);
      if (life === this.#life) this.#rest();
    };
    life.worker.onerror = (event) => {
      event.preventDefault();
      if (life === this.#life) this.fail();
      else endNow(life);
    };
    return life;
  }

  #rest(): void {
    clearTimeout(this.#idleTimer);
    if (this.#life!.open.length > 0) return;
    this.#idleTimer = setTimeout(() => void this.close(), this.#options.idleMs);
  }
}

function endNow<Reply>({ worker, open }: Life<Reply>): void {
  worker.terminate();
  for (const answered of open.splice(0)) answered(null);
}
