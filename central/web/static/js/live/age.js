// How old a picture is, also when the clock of whoever filmed it is wrong.
const ABSURD_MS = 60000;

export class Age {
  constructor() { this.forget(); }

  /** A new connection: nothing is known of the way's length. */
  forget() { this.shortest_ms = null; this.last_us = 0; }

  /** A frame captured at `time_us` by its own clock has come at `now_ms` by ours. */
  note(time_us, now_ms) {
    const way_ms = now_ms - time_us / 1000;
    // A clock that was set back, or by more than a minute, tells nothing about the way any more.
    const isStepped = time_us < this.last_us || (this.shortest_ms !== null && way_ms - this.shortest_ms > ABSURD_MS);
    if (this.shortest_ms === null || isStepped || way_ms < this.shortest_ms) this.shortest_ms = way_ms;
    this.last_us = time_us;
  }

  /** How far behind the best that this connection has given, ms: needs no true clock. */
  lagOf(time_us, now_ms) { return this.shortest_ms === null ? 0 : Math.max(0, now_ms - time_us / 1000 - this.shortest_ms); }

  /** From capture to now, ms; null when the two clocks cannot be compared. */
  latencyOf(time_us, now_ms) {
    const way_ms = now_ms - time_us / 1000;
    return way_ms > -500 && way_ms < ABSURD_MS ? Math.max(0, way_ms) : null;
  }
}
