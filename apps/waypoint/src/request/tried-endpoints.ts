import type { RouteRetries } from '../config/route.ts';

/** Envoy: Istio has places judged anew after each second attempt. */
const attemptsInPlace = 2;

/** Where the failed attempts of a request went, and what the next one therefore keeps away from. */
export class TriedEndpoints {
  /** Left out by themselves; empty where attempts may go to the same endpoint again. */
  readonly endpoints: string[] = [];
  /** Left out with all in their places; undefined: none. */
  left: readonly string[] | undefined;
  readonly #attempts: string[] = [];

  note(endpoint: string, { reusesEndpoints, leavesTriedPlaces }: RouteRetries): void {
    if (!reusesEndpoints) this.endpoints.push(endpoint);
    if (!leavesTriedPlaces) return;
    this.#attempts.push(endpoint);
    if (this.#attempts.length % attemptsInPlace === 0) this.left = [...this.#attempts];
  }
}
