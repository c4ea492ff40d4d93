/** Judges an installed mesh by what its cluster says of it. Pure. */
import { failure, good, warning, type Finding } from '../cluster/finding.ts';
import { fieldAt, numberAt, objectsAt, placeOf, textAt } from '../cluster/read-fields.ts';
import { judgeObjects, type ListedKind } from './object-health.ts';

/** Objects as the API server gives them. */
export interface MeshObjects {
  readonly namespace: string;
  /** Deployments and DaemonSets of the mesh. */
  readonly controllers: readonly unknown[];
  /** Pods of the mesh. */
  readonly pods: readonly unknown[];
  /** ConfigMap istio-ca-root-cert of the mesh's namespace; undefined when it is missing. */
  readonly trust: unknown;
  /** The mesh's webhook; undefined when it is not registered. */
  readonly webhook: unknown;
  /** Every pod of the cluster with the annotation or condition of enrolment. */
  readonly enrolledPods: readonly unknown[];
  /** Users' objects that the mesh writes status of. */
  readonly configuration: readonly ListedKind[];
}

const PARTS: readonly string[] = ['control-plane', 'ca', 'cni-agent', 'ztunnel'];
const MOST_SHOWN = 10;
const MOST_WORDS = 400;

export function judgeMesh(mesh: MeshObjects): readonly Finding[] {
  return [
    ...judgeParts(mesh),
    ...judgePods(mesh),
    ...judgeTrust(mesh),
    ...judgeWebhook(mesh.webhook),
    ...judgeEnrolled(mesh.enrolledPods),
    ...judgeObjects(mesh.configuration),
  ];
}

/** `app.kubernetes.io/component`, which each object of the chart has. */
function partOf(object: unknown): string {
  return textAt(object, 'metadata', 'labels', 'app.kubernetes.io/component') ?? '';
}

function judgeParts(mesh: MeshObjects): readonly Finding[] {
  const findings = mesh.controllers.map((controller): Finding => {
    const part = partOf(controller);
    const isDaemonSet = textAt(controller, 'kind') === 'DaemonSet';
    const status = (name: string): number => numberAt(controller, 'status', name);
    const wanted = isDaemonSet ? status('desiredNumberScheduled') : numberAt(controller, 'spec', 'replicas');
    const ready = isDaemonSet ? status('numberReady') : status('readyReplicas');
    const updated = isDaemonSet ? status('updatedNumberScheduled') : status('updatedReplicas');
    const counts = `${part}: ${ready} of ${wanted} ready`;
    if (ready < wanted || ready === 0) {
      return failure(counts, `kubectl -n ${mesh.namespace} describe pods -l app.kubernetes.io/component=${part}`);
    }
    if (updated < wanted) return warning(`${counts}, ${updated} of this version`, 'An upgrade is under way: wait.');
    return good(`${counts}, version ${textAt(controller, 'metadata', 'labels', 'app.kubernetes.io/version') ?? '?'}`);
  });
  const absent = PARTS.filter((part) => !mesh.controllers.some((one) => partOf(one) === part));
  if (absent.length === 0) return findings;
  return [
    ...findings,
    warning(
      `not installed: ${absent.join(', ')}`,
      'Right if something else does their work, such as istiod; else install them.',
    ),
  ];
}

/** Why pods of the mesh do not run, in the words of the kubelet. */
function judgePods(mesh: MeshObjects): readonly Finding[] {
  return mesh.pods.flatMap((pod): readonly Finding[] => {
    const place = placeOf(pod);
    const scheduled = objectsAt(pod, 'status', 'conditions').find(({ type }) => type === 'PodScheduled');
    if (textAt(scheduled, 'status') === 'False') {
      const why = textAt(scheduled, 'message') ?? textAt(scheduled, 'reason') ?? 'no reason given';
      return [failure(`${place} has no node: ${why}`, 'Make room, or change what it asks for: its values in charts/.')];
    }
    const [status] = objectsAt(pod, 'status', 'containerStatuses');
    const reason = textAt(status, 'state', 'waiting', 'reason');
    if (reason === undefined || reason === 'ContainerCreating') return [];
    const last = textAt(status, 'lastState', 'terminated', 'message') ?? textAt(status, 'state', 'waiting', 'message');
    const isPull = /Image/.test(reason);
    return [
      failure(
        `${place} (${textAt(pod, 'spec', 'nodeName') ?? 'no node'}): ${reason}${last === undefined ? '' : `: ${lastWords(last)}`}`,
        isPull
          ? 'Load the images into the nodes, or push them and name the registry: --set global.hub=REGISTRY/PATH.'
          : `kubectl -n ${mesh.namespace} logs ${place.split('/')[1] ?? ''} --previous`,
      ),
    ];
  });
}

/** What a program wrote last: the message of its log line, or the line itself; of a setting that is wrong it is a sentence. */
function lastWords(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  const error = /"error":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? /"message":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  return (error ?? line).slice(0, MOST_WORDS);
}

function judgeTrust({ trust, namespace }: MeshObjects): readonly Finding[] {
  if (textAt(trust, 'data', 'root-cert.pem')?.includes('BEGIN CERTIFICATE') === true) {
    return [good('trust is published (ConfigMap istio-ca-root-cert)')];
  }
  return [
    failure(
      `there is no ConfigMap istio-ca-root-cert in ${namespace}: the authority has not published its trust`,
      `kubectl -n ${namespace} logs deployment/ambit-ca`,
    ),
  ];
}

function judgeWebhook(webhook: unknown): readonly Finding[] {
  const hooks = objectsAt(webhook, 'webhooks');
  if (hooks.length === 0) return [];
  if (hooks.every((hook) => textAt(hook, 'clientConfig', 'caBundle') !== undefined)) {
    return [good('mistakes in policies are explained by the webhook')];
  }
  return [
    warning(
      'the webhook has no trust bundle yet, so mistakes in policies pass unexplained',
      'The leader of the control plane writes it within seconds; if it stays so, look at its log.',
    ),
  ];
}

function judgeEnrolled(pods: readonly unknown[]): readonly Finding[] {
  const verdicts = pods.map((pod) => {
    const condition = objectsAt(pod, 'status', 'conditions').find(({ type }) => type === 'ambit.dev/Enforced');
    return { place: placeOf(pod), status: textAt(condition, 'status'), message: textAt(condition, 'message') ?? '' };
  });
  const broken = verdicts.filter(({ status }) => status === 'False');
  const proven = verdicts.filter(({ status }) => status === 'True').length;
  const findings = broken
    .slice(0, MOST_SHOWN)
    .map(({ place, message }) =>
      failure(
        `${place} should be in the mesh and is not: ${message}`,
        'The node agent repairs it; look at its log if it stays so.',
      ),
    );
  if (broken.length > MOST_SHOWN) {
    findings.push(
      failure(`and ${broken.length - MOST_SHOWN} more`, 'kubectl get pods -A shows the condition ambit.dev/Enforced.'),
    );
  }
  const summary = good(`${proven} pod${proven === 1 ? '' : 's'} proven to be in the mesh`);
  return [summary, ...findings];
}

/** True for a pod that is in the mesh, or should be. */
export function isEnrolled(pod: unknown): boolean {
  return (
    fieldAt(pod, 'metadata', 'annotations', 'ambient.istio.io/redirection') !== undefined ||
    objectsAt(pod, 'status', 'conditions').some(({ type }) => type === 'ambit.dev/Enforced')
  );
}
