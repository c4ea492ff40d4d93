import type { Duration } from '@bufbuild/protobuf/wkt';

/** Longest time that a timer can count, about 24 days: more is as good as that. */
const maxDurationMs = 2 ** 31 - 1;

/** Milliseconds; undefined for an absent one. Negative durations count as 0. */
export function durationMs(duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const ms = Number(duration.seconds) * 1000 + duration.nanos / 1_000_000;
  return Math.min(Math.max(ms, 0), maxDurationMs);
}

/** Milliseconds of a limit for which 0 and absent both mean none. */
export function limitMs(duration: Duration | undefined): number | undefined {
  const ms = durationMs(duration);
  return ms === 0 ? undefined : ms;
}
