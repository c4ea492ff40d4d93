/** A duration of expressions: compared and added with its like only. */
export class DurationValue {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }

  /** As CEL writes it: seconds. */
  toString(): string {
    return `${this.ms / 1000}s`;
  }
}

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 0.001, ns: 0.000_001 };

/** `1h30m`, `0.5s`, `-2ms`; undefined for another text. */
export function parseDurationValue(text: string): DurationValue | undefined {
  if (!/^-?(?:\d{1,12}(?:\.\d{1,9})?(?:h|ms|us|ns|m|s)){1,6}$/.test(text)) return undefined;
  let ms = 0;
  for (const [, digits, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)/g))
    ms += Number(digits) * (units[unit] ?? 0);
  return new DurationValue(text.startsWith('-') ? -ms : ms);
}
