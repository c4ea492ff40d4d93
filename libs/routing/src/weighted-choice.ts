/**
 * Chooses among weighted alternatives so that shares are exact over time, not only on average: after any run of choices each
 * alternative is less than one full choice away from its share for each other alternative. Smooth weighted round robin: each
 * choice adds the weights, takes the largest, and takes the total off it. Deterministic, so a canary of 5 % gets request 20, 40, 60.
 */
export class WeightedChoice {
  readonly #weights: readonly number[];
  readonly #credit: number[];
  readonly #total: number;

  /** Weights are integers of 0 or more; an alternative of weight 0 is never chosen. */
  constructor(weights: readonly number[]) {
    this.#weights = weights;
    this.#credit = weights.map(() => 0);
    this.#total = weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** The index of the next alternative; undefined if all weights are 0. */
  next(): number | undefined {
    if (this.#total === 0) return undefined;
    let best = -1;
    let bestCredit = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < this.#weights.length; i++) {
      const weight = this.#weights[i] ?? 0;
      if (weight === 0) continue;
      const credit = (this.#credit[i] ?? 0) + weight;
      this.#credit[i] = credit;
      if (credit > bestCredit) {
        best = i;
        bestCredit = credit;
      }
    }
    this.#credit[best] = bestCredit - this.#total;
    return best;
  }
}
