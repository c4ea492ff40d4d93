/** Wall time as RFC 3339 in UTC with microseconds, as all log lines carry it. */

/** Writes time stamps; the part up to the second is kept between calls. One per writer. */
export class LogTime {
  #second = -1;
  #prefix = '';

  /** @param wallTimeMs milliseconds since 1970 with a fraction */
  format(wallTimeMs: number): string {
    const second = Math.floor(wallTimeMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = new Date(second * 1000).toISOString().slice(0, 20);
    }
    const microseconds = Math.min(999_999, Math.floor((wallTimeMs - second * 1000) * 1000));
    return `${this.#prefix}${String(microseconds).padStart(6, '0')}Z`;
  }
}

/** Wall time with a fraction of a millisecond. Follows clock steps, unlike `performance.timeOrigin`. */
export function wallTimeMicros(): number {
  const now = Date.now();
  const precise = performance.timeOrigin + performance.now();
  // Within one millisecond of Date.now() the monotonic fraction is right; otherwise the clock was stepped.
  return Math.abs(precise - now) < 1.5 ? precise : now;
}
