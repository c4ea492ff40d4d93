import type { Service, WorkloadStore } from '@ambit/workload';

/** How this proxy finds its siblings: by its own address, and the Service of its Gateway. */
export interface ReplicaFacts {
  readonly network: string;
  readonly instanceIp: string;
  readonly podNamespace: string;
  readonly gateway: string;
}

/** Proxies that take connections beside this one, itself among them; 0 as long as that is not known. */
export function countReplicas(store: WorkloadStore, facts: ReplicaFacts): number {
  const self = facts.instanceIp === '' ? undefined : store.workloadByAddress(facts.network, facts.instanceIp);
  const own = [...(self?.services.keys() ?? [])].filter((key) => key.startsWith(`${facts.podNamespace}/`));
  // A Service of another name may select the same pods; that of the Gateway has all of them.
  const key = own.find((one) => one.startsWith(`${facts.podNamespace}/${facts.gateway}`)) ?? own[0];
  const service = key === undefined ? undefined : store.serviceByKey(key);
  return service === undefined ? 0 : countEndpoints(store, service);
}

function countEndpoints(store: WorkloadStore, service: Service): number {
  const cursor = store.endpointsOf(service, undefined);
  let count = 0;
  while (cursor.advance()) if (cursor.capacity > 0) count += 1;
  return count;
}
