/**
 * Whether a pod that should be in the mesh is, by everything that was observed. Pure. In doubt it is not.
 *
 * What is read back (rules, return path, listeners with ztunnel's mark) and what is tried (a connection from inside the
 * pod that can only succeed when captured) have to agree.
 */
import type { ProbeAnswer } from '@ambit/net';
import { isServed, type NetnsView } from '../pods/netns-view.ts';
import { ZTUNNEL_PORTS } from '../rules/capture-constants.ts';

/**
 * How the connection from inside the pod went. `unroutable`: the pod has no way out of its own network at all.
 * `not-tried`: the agent could not begin, for instance without a free descriptor.
 */
export type ProbeOutcome =
  | { readonly kind: 'answered'; readonly answer: ProbeAnswer }
  | { readonly kind: 'accepted-in-silence' | 'refused' | 'lost' | 'unroutable' | 'not-tried' };

export const unenforcedReasons = [
  'NotEnrolled',
  'NamespaceUnknown',
  'WrongNamespace',
  'RulesAltered',
  'NotCaptured',
  'NotServed',
  'WrongPod',
  'NoCertificate',
  'WorkloadUnknown',
  'ProxySilent',
  'ProofFailed',
] as const;
export type UnenforcedReason = (typeof unenforcedReasons)[number];

export type Verdict =
  | { readonly kind: 'enforced'; readonly message: string }
  | {
      readonly kind: 'unenforced';
      readonly reason: UnenforcedReason;
      readonly message: string;
      /** Traffic may pass beside the mesh; else it is refused, which is safe but not what the pod needs. */
      readonly isExposed: boolean;
    };

export interface Observation {
  /** `namespace/name`. */
  readonly pod: string;
  readonly addresses: readonly string[];
  readonly isEnrolled: boolean;
  readonly view: NetnsView | undefined;
  readonly areRulesIntact: boolean;
  readonly probe: ProbeOutcome | undefined;
  /** This ztunnel has answered a probe before: silence now means trouble, and not another make. */
  readonly answersProbes: boolean;
}

const MESSAGES: Readonly<Record<UnenforcedReason, string>> = {
  NotEnrolled: 'the pod is not in the mesh although its labels ask for it',
  NamespaceUnknown: 'the network namespace of the pod was not found, so nothing is known about it',
  WrongNamespace: 'the network namespace in the mesh under this name does not hold the address of the pod',
  RulesAltered: 'rules or routes of the capture were altered or removed; they are put back',
  NotCaptured: 'a connection from inside the pod was not captured',
  NotServed: 'ztunnel does not listen in the pod; its traffic is refused',
  WrongPod: 'the proxy inside the pod serves it under the name of another one',
  NoCertificate: 'ztunnel has no certificate for the pod; is the certificate authority reachable?',
  WorkloadUnknown: 'ztunnel has not been told of the pod by the control plane',
  ProxySilent: 'ztunnel takes connections of the pod but does not serve them',
  ProofFailed: 'the pod could not be looked at',
};

const EXPOSED: ReadonlySet<UnenforcedReason> = new Set([
  'NotEnrolled',
  'NamespaceUnknown',
  'WrongNamespace',
  'RulesAltered',
  'NotCaptured',
  'WrongPod',
  'ProofFailed',
]);
const REQUIRED_PORTS: readonly number[] = [
  ZTUNNEL_PORTS.outbound,
  ZTUNNEL_PORTS.inboundPlaintext,
  ZTUNNEL_PORTS.inboundHbone,
];

export function unenforced(reason: UnenforcedReason): Verdict {
  return { kind: 'unenforced', reason, message: MESSAGES[reason], isExposed: EXPOSED.has(reason) };
}

export function judgeProof(seen: Observation): Verdict {
  const { pod, addresses, isEnrolled, view, areRulesIntact, probe, answersProbes } = seen;
  if (!isEnrolled) return unenforced('NotEnrolled');
  if (!view) return unenforced('NamespaceUnknown');
  if (!addresses.every((address) => view.addresses.includes(address))) return unenforced('WrongNamespace');
  if (!areRulesIntact || !view.returnPath) return unenforced('RulesAltered');
  if (!REQUIRED_PORTS.every((port) => isServed(view, 'tcp', port))) return unenforced('NotServed');
  switch (probe?.kind) {
    case undefined:
      return { kind: 'enforced', message: 'rules and listeners are in place' };
    case 'unroutable':
      return { kind: 'enforced', message: 'rules and listeners are in place; the pod has no route to probe' };
    // ztunnel listens, so the refusal came from somewhere outside.
    case 'refused':
    case 'lost':
      return unenforced('NotCaptured');
    case 'not-tried':
      return unenforced('ProofFailed');
    case 'accepted-in-silence':
      return answersProbes
        ? unenforced('ProxySilent')
        : { kind: 'enforced', message: 'rules and listeners are in place and connections are captured' };
    case 'answered':
      return judgeAnswer(pod, probe.answer);
  }
}

function judgeAnswer(pod: string, answer: ProbeAnswer): Verdict {
  if (answer.pod !== pod) return unenforced('WrongPod');
  switch (answer.state) {
    case 'valid':
      return {
        kind: 'enforced',
        message: `rules, listeners and identity ${answer.identity ?? ''} are in place; a connection from inside the pod was captured`,
      };
    case 'no-certificate':
      return unenforced('NoCertificate');
    case 'unknown':
      return unenforced('WorkloadUnknown');
  }
}
