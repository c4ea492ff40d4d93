import type { Labels, Pod } from '@ambit/kube';

/** Canonical name and revision. Spec: control-plane.md section 3.2. */
export function canonicalName(labels: Labels, workloadName: string): string {
  return labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workloadName;
}

export function canonicalRevision(labels: Labels): string {
  return (
    labels['service.istio.io/canonical-revision'] ??
    labels['app.kubernetes.io/version'] ??
    labels['version'] ??
    'latest'
  );
}

/**
 * Name of what a pod belongs to: the label, or what its controller tells (only for pods with a generated name), or the
 * pod's own name. Spec: control-plane.md section 3.2, owner heuristics.
 */
export function podWorkloadName(pod: Pod): string {
  const { labels, name, generateName, ownerReferences } = pod.metadata;
  const label = labels['service.istio.io/workload-name'];
  if (label !== undefined && label !== '') return label;
  if (generateName === undefined || generateName === '') return name;
  const owner = ownerReferences.find((reference) => reference.controller);
  if (owner === undefined) return name;
  switch (owner.kind) {
    case 'ReplicaSet':
      return withoutHash(owner.name, labels['pod-template-hash'] ?? labels['rollouts-pod-template-hash']);
    case 'ReplicationController':
      return labels['deploymentconfig'] ?? owner.name;
    case 'Job':
      return /^(.+)-\d{8,10}$/.exec(owner.name)?.[1] ?? owner.name;
    default:
      return owner.name;
  }
}

function withoutHash(name: string, hash: string | undefined): string {
  const suffix = `-${hash ?? ''}`;
  return hash !== undefined && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}
