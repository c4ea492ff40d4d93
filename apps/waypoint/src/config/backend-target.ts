/** A port of a service, or the endpoints of one of its subsets: what a route points to. */
export interface ServiceTarget {
  readonly kind: 'service';
  readonly namespace: string;
  readonly hostname: string;
  /** The service's port, not the endpoint's. */
  readonly port: number;
  /** Empty: all endpoints. */
  readonly subset: string;
  /** `<namespace>/<hostname>/<port>/<subset>`: equal for equal targets, whichever route made them. */
  readonly key: string;
}

/** One workload by its address: traffic that was not sent to a service. */
export interface WorkloadTarget {
  readonly kind: 'workload';
  /** UID of istio.workload.Workload. */
  readonly uid: string;
  /** Canonical text. */
  readonly address: string;
  readonly port: number;
  readonly key: string;
}

export type BackendTarget = ServiceTarget | WorkloadTarget;

export function serviceTarget(namespace: string, hostname: string, port: number, subset = ''): ServiceTarget {
  return { kind: 'service', namespace, hostname, port, subset, key: `${namespace}/${hostname}/${port}/${subset}` };
}

export function workloadTarget(uid: string, address: string, port: number): WorkloadTarget {
  return { kind: 'workload', uid, address, port, key: `${uid}/${address}/${port}` };
}
