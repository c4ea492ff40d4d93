/**
 * How the node agent asks, from inside a pod, whether the pod's connections really end up at ztunnel: it connects to an
 * address that nobody owns. Only captured does that connection succeed, and ztunnel answers one line and closes:
 *
 *   `ambit-probe 1 <namespace>/<pod> <state> <SPIFFE id or ->\n`
 *
 * Anything in the pod may ask too and learns what it is. Other proxies take it for a connection to an unknown address.
 */

/** Documentation and discard-only addresses (RFC 5737, RFC 6666): no packet for them ever leaves a network. */
export const enforcementProbe = { v4: '192.0.2.58', v6: '100::58', port: 15_058 } as const;

/** `valid`: ztunnel holds a certificate of the pod's identity. `unknown`: the control plane has not told of the pod. */
export type ProbeState = 'valid' | 'no-certificate' | 'unknown';

/** What ztunnel answers a probe. */
export interface ProbeAnswer {
  /** `namespace/name` of the pod whose listener answered. */
  readonly pod: string;
  readonly state: ProbeState;
  readonly identity: string | undefined;
}

/** More than an answer can have: 63 + 253 of the pod, and a SPIFFE id. */
export const maxProbeAnswerBytes = 4096;

const states: readonly ProbeState[] = ['valid', 'no-certificate', 'unknown'];

/** Whether a captured connection is such a question; `address` as canonical text. */
export function isEnforcementProbe(address: string, port: number): boolean {
  return port === enforcementProbe.port && (address === enforcementProbe.v4 || address === enforcementProbe.v6);
}

/** The line that ztunnel writes, with its line end. */
export function formatProbeAnswer(answer: ProbeAnswer): string {
  return `ambit-probe 1 ${answer.pod} ${answer.state} ${answer.identity ?? '-'}\n`;
}

/** Undefined for anything but a whole answer. */
export function parseProbeAnswer(text: string): ProbeAnswer | undefined {
  const match = /^ambit-probe 1 ([^ /]+\/[^ /]+) (\S+) (\S+)\n$/.exec(text);
  const state = states.find((one) => one === match?.[2]);
  const [, pod, , identity] = match ?? [];
  if (pod === undefined || state === undefined || identity === undefined) return undefined;
  return { pod, state, identity: identity === '-' ? undefined : identity };
}
