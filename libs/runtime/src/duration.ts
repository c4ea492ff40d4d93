const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of Go or humantime text such as `1h30m`, `10s`, `250ms`; a bare `0` is allowed, other bare numbers are not. */
export function parseDurationMs(value: string): number {
  if (value === '0') return 0;
  const pattern = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)\s*/gy;
  let total = 0;
  let end = 0;
  for (const match of value.matchAll(pattern)) {
    total += Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
    end = match.index + match[0].length;
  }
  if (end === 0 || end !== value.length) throw new Error('expected a duration such as 10s, 5m or 1h30m');
  return total;
}

/** The same duration as text, in the largest unit of which it is a whole number: `24h`, `90s`, `1500ms`. */
export function formatDurationMs(ms: number): string {
  if (ms === 0) return '0';
  const unit = ['h', 'm', 's'].find((name) => ms % (UNIT_MS[name] ?? 1) === 0) ?? 'ms';
  return `${ms / (UNIT_MS[unit] ?? 1)}${unit}`;
}
