/** The `baggage` header: who a workload is, for labels. Spec: contract data-plane 1.4. */
import type { Workload } from '@ambit/workload';

/** What a peer says of itself; never used for a decision. */
export interface Baggage {
  readonly cluster: string | undefined;
  readonly namespace: string | undefined;
  readonly workloadName: string | undefined;
  readonly serviceName: string | undefined;
  readonly serviceVersion: string | undefined;
  readonly region: string | undefined;
  readonly zone: string | undefined;
}

/** Headers by workload: they are the same for all its connections, and as one string they are found in the HPACK table at once. */
const formatted = new WeakMap<Workload, string>();

/** The header of a workload; values that are empty are left out. */
export function formatBaggage(workload: Workload): string {
  let text = formatted.get(workload);
  if (text === undefined) {
    text = buildBaggage(workload);
    formatted.set(workload, text);
  }
  return text;
}

function buildBaggage(workload: Workload): string {
  const { clusterId, namespace, workloadName, workloadType, canonicalName } = workload;
  let text = '';
  const add = (key: string, value: string): void => {
    if (value === '') return;
    text += text === '' ? `${key}=${value}` : `,${key}=${value}`;
  };
  add('k8s.cluster.name', clusterId);
  add('k8s.namespace.name', namespace);
  add(`k8s.${workloadType}.name`, workloadName);
  add('service.name', canonicalName);
  add('service.version', workload.canonicalRevision);
  add('cloud.region', workload.locality.region);
  add('cloud.availability_zone', workload.locality.zone);
  return text;
}

/** Longer headers are not read. */
const maxBaggageLength = 4096;

/** Reads a header; what is not understood is left out. */
export function parseBaggage(header: string | undefined): Baggage {
  const values = new Map<string, string>();
  if (header !== undefined && header.length <= maxBaggageLength) {
    for (const part of header.split(',')) {
      const [key = '', value = ''] = part.split('=', 2);
      if (value !== '') values.set(key, value);
    }
  }
  return {
    cluster: values.get('k8s.cluster.name'),
    namespace: values.get('k8s.namespace.name'),
    workloadName:
      values.get('k8s.deployment.name') ??
      values.get('k8s.cronjob.name') ??
      values.get('k8s.pod.name') ??
      values.get('k8s.job.name'),
    serviceName: values.get('service.name'),
    serviceVersion: values.get('service.version'),
    region: values.get('cloud.region'),
    zone: values.get('cloud.availability_zone'),
  };
}
