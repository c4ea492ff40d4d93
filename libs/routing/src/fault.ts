/** Faults that a route injects, to see how callers bear them. Shares in parts of a million. Istio: VirtualService fault. */
export interface FaultRules {
  readonly delayMs: number;
  readonly delayPerMillion: number;
  readonly abortPerMillion: number;
  readonly abortStatus: number;
  /** Answered instead of the status to gRPC requests. */
  readonly abortGrpcStatus: number | undefined;
}

/** What happens to one request: the delay first, then the abort. */
export interface InjectedFault {
  readonly delayMs: number;
  readonly abort: { readonly status: number; readonly grpcStatus: number | undefined } | undefined;
}

/** `random`: 0 to under 1, drawn for each of the two. */
export function drawFault(rules: FaultRules, random: () => number): InjectedFault {
  const isDelayed = random() * 1_000_000 < rules.delayPerMillion;
  const isAborted = random() * 1_000_000 < rules.abortPerMillion;
  return {
    delayMs: isDelayed ? rules.delayMs : 0,
    abort: isAborted ? { status: rules.abortStatus, grpcStatus: rules.abortGrpcStatus } : undefined,
  };
}
