/** What the status of a BackendTLSPolicy should say. Pure. Spec: l7.md section 1.8. */
import { type BackendTLSPolicy, gatewayGroup, isOfItsGroup, type ParentRef } from '@ambit/kube';
import { compareAge } from '../derive/age-order.ts';
import type { DesiredCondition } from '../derive/status-write.ts';
import type { DesiredParent } from './route-status.ts';

type Target = BackendTLSPolicy['spec']['targets'][number];

/** What is known around a policy. */
export interface BackendTlsView {
  /** Ports of the service that a target is, by name; undefined when there is none. */
  portsOf(target: Target): readonly (string | undefined)[] | undefined;
  /** All policies with this target. */
  rivals(target: Target): readonly BackendTLSPolicy[];
  /** True when the ConfigMap of the own namespace holds roots. */
  hasRoots(name: string): boolean;
  /** Gateways that send requests to the service of a target. */
  gatewaysOf(
    target: Target,
  ): readonly { readonly namespace: string; readonly name: string; readonly controllerName: string }[];
}

/** At most this many entries fit into the status. */
const MAX_ANCESTORS = 16;

/** One entry for each gateway that uses a target, and one for each target, which stands for the waypoints. */
export function backendTlsAncestors(
  policy: BackendTLSPolicy,
  view: BackendTlsView,
  meshController: string,
): readonly DesiredParent[] {
  const { namespace, generation } = policy.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const entries = new Map<string, DesiredParent>();
  for (const target of policy.spec.targets) {
    const conditions = [acceptance(policy, target, view), resolution(policy, view)].map((one) => ({
      ...one,
      ...observed,
    }));
    const { group, kind, name, sectionName } = target;
    const own: ParentRef = { group, kind, namespace, name, sectionName, port: undefined };
    const add = (parentRef: ParentRef, controllerName: string): void => {
      const key = JSON.stringify([parentRef, controllerName]);
      if (!entries.has(key)) entries.set(key, { parentRef, controllerName, conditions });
    };
    for (const gateway of view.gatewaysOf(target)) {
      const { namespace: of, name: gatewayName, controllerName } = gateway;
      const noSection = { sectionName: undefined, port: undefined };
      add({ group: gatewayGroup, kind: 'Gateway', namespace: of, name: gatewayName, ...noSection }, controllerName);
    }
    add(own, meshController);
  }
  return [...entries.values()].slice(0, MAX_ANCESTORS);
}

function acceptance(policy: BackendTLSPolicy, target: Target, view: BackendTlsView): DesiredCondition {
  const refuse = (reason: string, message: string): DesiredCondition => ({
    type: 'Accepted',
    status: 'False',
    reason,
    message,
  });
  const { namespace } = policy.metadata;
  const kind = isOfItsGroup(target) ? target.kind : `${target.kind}.${target.group}`;
  const name = `${kind} ${namespace}/${target.name}`;
  const ports = view.portsOf(target);
  if (ports === undefined) return refuse('TargetNotFound', `there is no ${name}`);
  if (target.sectionName !== undefined && !ports.includes(target.sectionName)) {
    return refuse('TargetNotFound', `${name} has no port called ${target.sectionName}`);
  }
  const [first] = view.rivals(target).toSorted((a, b) => compareAge(a.metadata, b.metadata));
  if (first !== undefined && first !== policy) {
    return refuse(
      'Conflicted',
      `BackendTLSPolicy ${namespace}/${first.metadata.name} is older and has the same target`,
    );
  }
  const { wellKnownCaCertificates: wellKnown, caCertificates } = policy.spec;
  if (caCertificates.length === 0 && wellKnown !== 'System') {
    return refuse('Invalid', `roots must be given by caCertificateRefs, or by wellKnownCACertificates: System`);
  }
  if (caCertificates.length > 0 && badRoots(policy, view).length === caCertificates.length) {
    return refuse('NoValidCACertificate', 'no roots can be had, so every connection fails');
  }
  return { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'TLS is used for connections to the target' };
}

function resolution(policy: BackendTLSPolicy, view: BackendTlsView): DesiredCondition {
  const type = 'ResolvedRefs';
  const [bad] = badRoots(policy, view);
  if (bad === undefined) return { type, status: 'True', reason: 'ResolvedRefs', message: 'all references can be used' };
  return { type, status: 'False', ...bad };
}

function badRoots(
  { spec, metadata }: BackendTLSPolicy,
  view: BackendTlsView,
): readonly { readonly reason: string; readonly message: string }[] {
  return spec.caCertificates.flatMap(({ group, kind, name }) => {
    if ((group !== '' && group !== 'core') || kind !== 'ConfigMap') {
      return [{ reason: 'InvalidKind', message: `roots cannot be of kind ${kind}; use ConfigMap` }];
    }
    if (view.hasRoots(name)) return [];
    const message = `ConfigMap ${metadata.namespace}/${name} holds no certificate under ca.crt`;
    return [{ reason: 'InvalidCACertificateRef', message }];
  });
}
