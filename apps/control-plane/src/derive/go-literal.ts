/** Texts that mean true to Go's `strconv.ParseBool`, which is what Istio reads labels and annotations with. */
export function isGoTrue(text: string): boolean {
  return /^(1|t|T|TRUE|true|True)$/.test(text);
}

/** A whole number from 0 to 100; undefined for anything else. */
export function parsePercent(text: string): number | undefined {
  return /^\+?\d{1,9}$/.test(text) && Number(text) <= 100 ? Number(text) : undefined;
}
