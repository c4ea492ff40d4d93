const unitMs: ReadonlyMap<string, number> = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 0.001],
  ['n', 0.000_001],
]);

/** The `grpc-timeout` header in milliseconds, rounded up; undefined if it is not of the form 1 to 8 digits and a unit. */
export function parseGrpcTimeout(text: string): number | undefined {
  const parsed = /^([0-9]{1,8})([HMSmun])$/.exec(text);
  const factor = unitMs.get(parsed?.[2] ?? '');
  return parsed === null || factor === undefined ? undefined : Math.ceil(Number(parsed[1]) * factor);
}
