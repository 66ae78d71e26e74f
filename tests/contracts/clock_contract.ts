/** What every Clock must do. */
import assert from "node:assert/strict";
import type { Clock } from "../../platform/ports.ts";

/** A clock and a way to let at least `ms` of its time pass. */
export interface ClockUnderTest {
  readonly clock: Clock;
  pass(ms: number): Promise<void>;
}

/** Runs the suite. `make` is called once per test. */
export function clockContract(name: string, make: () => ClockUnderTest): void {
  Deno.test(`${name}: monotonic time never goes back and passes`, async () => {
    const { clock, pass } = make();
    let last = clock.monotonicMs();
    for (let i = 0; i < 3; i++) {
      await pass(5);
      const now = clock.monotonicMs();
      assert.ok(now > last, `${now} after ${last}`);
      last = now;
    }
  });

  Deno.test(`${name}: wall time is whole milliseconds of this century`, () => {
    const wallMs = make().clock.wallMs();
    assert.ok(Number.isInteger(wallMs) && wallMs > Date.UTC(2020) && wallMs < Date.UTC(2100));
  });

  Deno.test(`${name}: timers fire once, not early, shorter ones first, never inside schedule`, async () => {
    const { clock, pass } = make();
    const fired: string[] = [];
    const startedMs = clock.monotonicMs();
    clock.schedule(20, () => fired.push(clock.monotonicMs() - startedMs >= 18 ? "late" : "early"));
    clock.schedule(0, () => fired.push("now"));
    clock.schedule(1, () => fired.push("soon"));
    assert.deepEqual(fired, []);
    await pass(60);
    // Without a delay it is no timer: where the process stood still for a moment, one of 1 ms may be first.
    assert.deepEqual(fired.filter((what) => what !== "now"), ["soon", "late"]);
    assert.equal(fired.length, 3);
  });

  Deno.test(`${name}: a cancelled timer never fires, and cancelling twice is harmless`, async () => {
    const { clock, pass } = make();
    let fired = 0;
    for (const delayMs of [0, 5]) {
      const cancel = clock.schedule(delayMs, () => fired++);
      cancel();
      cancel();
    }
    const cancelLate = clock.schedule(1, () => fired++);
    await pass(30);
    cancelLate();
    assert.equal(fired, 1);
  });
}
