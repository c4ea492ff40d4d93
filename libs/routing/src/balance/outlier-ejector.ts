/** DestinationRule's `outlierDetection`. A count of 0 turns its condition off. Spec: contract l7 3.4. */
export interface OutlierRules {
  readonly consecutive5xx: number;
  readonly consecutiveGatewayErrors: number;
  readonly consecutiveLocalFailures: number;
  /** Failures to connect count apart, not as 5xx. */
  readonly splitsLocalFailures: boolean;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  /** Of the endpoints; one may always be ejected. */
  readonly maxEjectionPercent: number;
  /** Below this share of healthy endpoints nobody is left out; 0 is off. */
  readonly minHealthPercent: number;
  /** Statuses of answers that are failures; undefined: 5xx. */
  readonly errorCodes: ReadonlySet<number> | undefined;
}

/** Istio's defaults, once outlierDetection is given. */
export const defaultOutlierRules: OutlierRules = {
  consecutive5xx: 5,
  consecutiveGatewayErrors: 0,
  consecutiveLocalFailures: 5,
  splitsLocalFailures: false,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 10,
  minHealthPercent: 0,
  errorCodes: undefined,
};

/** How one request to an endpoint ended. `local`: no answer (connect failure, reset, time-out). */
export type EndpointResult = { readonly kind: 'response'; readonly status: number } | { readonly kind: 'local' };

interface EndpointRecord {
  serverErrors: number;
  gatewayErrors: number;
  localFailures: number;
  ejections: number;
  /** Monotonic; 0: not ejected. */
  ejectedUntilMs: number;
}

/** Watches the endpoints of one service port and takes failing ones out for a while. Time is given by the caller. */
export class OutlierEjector {
  readonly #rules: OutlierRules;
  readonly #records = new Map<string, EndpointRecord>();
  #lastSweepMs = 0;
  #ejected = 0;

  constructor(rules: OutlierRules) {
    this.#rules = rules;
  }

  get ejectedCount(): number {
    return this.#ejected;
  }

  /** Endpoints now known: records of others are dropped, so that memory is bounded by the service. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const [id, record] of this.#records) {
      if (ids.has(id)) continue;
      if (record.ejectedUntilMs > 0) this.#ejected -= 1;
      this.#records.delete(id);
    }
  }

  /** Whether requests may go to the endpoint; with too few healthy ones everybody takes them (panic). */
  isUsable(id: string, endpointCount: number): boolean {
    if (this.#ejected === 0) return true;
    const healthyPercent = ((endpointCount - this.#ejected) * 100) / Math.max(endpointCount, 1);
    if (healthyPercent < this.#rules.minHealthPercent) return true;
    return (this.#records.get(id)?.ejectedUntilMs ?? 0) === 0;
  }

  /** Takes in a result; returns true if it ejected the endpoint. */
  note(id: string, result: EndpointResult, endpointCount: number, nowMs: number): boolean {
    const record = this.#record(id);
    if (!this.#count(record, result) || record.ejectedUntilMs > 0) return false;
    const allowed = Math.max(1, Math.floor((endpointCount * this.#rules.maxEjectionPercent) / 100));
    if (this.#ejected >= allowed) return false;
    record.ejections += 1;
    const lasting = Math.min(this.#rules.baseEjectionMs * record.ejections, this.#rules.maxEjectionMs);
    record.ejectedUntilMs = nowMs + lasting;
    this.#ejected += 1;
    return true;
  }

  /** Brings endpoints back whose time is over; acts once an interval, however often it is called. */
  sweep(nowMs: number): void {
    if (nowMs - this.#lastSweepMs < this.#rules.intervalMs) return;
    this.#lastSweepMs = nowMs;
    for (const record of this.#records.values()) {
      if (record.ejectedUntilMs > 0 && record.ejectedUntilMs <= nowMs) {
        record.ejectedUntilMs = 0;
        record.serverErrors = record.gatewayErrors = record.localFailures = 0;
        this.#ejected -= 1;
      } else if (record.ejectedUntilMs === 0 && record.ejections > 0) {
        // A quiet interval takes one ejection off the next one's length.
        record.ejections -= 1;
      }
    }
  }

  #record(id: string): EndpointRecord {
    let record = this.#records.get(id);
    if (record === undefined) {
      record = { serverErrors: 0, gatewayErrors: 0, localFailures: 0, ejections: 0, ejectedUntilMs: 0 };
      this.#records.set(id, record);
    }
    return record;
  }

  /** The status as it counts: one that is listed is a 5xx, any other a success. Envoy: error_matcher. */
  #judged(status: number): number {
    const { errorCodes } = this.#rules;
    if (errorCodes === undefined) return status;
    if (!errorCodes.has(status)) return 200;
    return status >= 500 ? status : 500;
  }

  /** Counts, and says whether a limit is reached. */
  #count(record: EndpointRecord, result: EndpointResult): boolean {
    const rules = this.#rules;
    if (result.kind === 'local' && rules.splitsLocalFailures) {
      record.localFailures += 1;
      return reached(record.localFailures, rules.consecutiveLocalFailures);
    }
    const status = result.kind === 'local' ? 503 : this.#judged(result.status);
    record.localFailures = 0;
    record.serverErrors = status >= 500 ? record.serverErrors + 1 : 0;
    record.gatewayErrors = status >= 502 && status <= 504 ? record.gatewayErrors + 1 : 0;
    return (
      reached(record.serverErrors, rules.consecutive5xx) ||
      reached(record.gatewayErrors, rules.consecutiveGatewayErrors)
    );
  }
}

function reached(count: number, limit: number): boolean {
  return limit > 0 && count >= limit;
}
