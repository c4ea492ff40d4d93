/**
 * Workloads and services in the words of the admin dump. Pure. Keys, words and what is left out are those that
 * `istioctl ztunnel-config` reads. Istio: contract data-plane 7.5.
 */
import type { GatewayAddress, LoadBalancing, PortMap, Service, Workload, WorkloadView } from '@ambit/workload';
import { gatewayText } from '@ambit/workload';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { [key: string]: Json };

export function dumpWorkload(workload: Workload): Json {
  const json: JsonObject = {
    uid: workload.uid,
    workloadIps: workload.addresses,
    protocol: workload.protocol === 'hbone' ? 'HBONE' : 'TCP',
    networkMode: workload.isHostNetwork ? 'HostNetwork' : 'Standard',
    name: workload.name,
    namespace: workload.namespace,
    trustDomain: workload.trustDomain,
    serviceAccount: workload.serviceAccount,
    workloadName: workload.workloadName,
    workloadType: workload.workloadType,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    status: workload.isHealthy ? 'Healthy' : 'Unhealthy',
    clusterId: workload.clusterId,
    capacity: workload.capacity,
  };
  if (workload.network !== '') json['network'] = workload.network;
  if (workload.node !== '') json['node'] = workload.node;
  if (workload.hostname !== '') json['hostname'] = workload.hostname;
  const { region, zone, subzone } = workload.locality;
  if (region !== '' || zone !== '' || subzone !== '') json['locality'] = { region, zone, subzone };
  if (workload.services.size > 0) json['services'] = [...workload.services.keys()].toSorted();
  if (workload.authorizationPolicies.length > 0) json['authorizationPolicies'] = workload.authorizationPolicies;
  if (workload.waypoint) json['waypoint'] = gateway(workload.waypoint);
  if (workload.networkGateway) json['networkGateway'] = gateway(workload.networkGateway);
  if (workload.nativeTunnel) json['nativeTunnel'] = true;
  const tunnel = workload.applicationTunnel;
  if (tunnel)
    json['applicationTunnel'] = { protocol: tunnel.protocol === 'proxy' ? 'PROXY' : 'NONE', port: tunnel.port ?? null };
  return json;
}

/** Endpoints come from the view, because a service record does not list them. */
export function dumpService(service: Service, view: WorkloadView): Json {
  const endpoints: JsonObject = {};
  const cursor = view.endpointsOf(service, undefined);
  while (cursor.advance()) {
    const workload = cursor.workload();
    if (!workload) continue;
    endpoints[workload.uid] = {
      workloadUid: workload.uid,
      port: ports(view.endpointPorts(service, workload.uid) ?? new Map()),
      status: workload.isHealthy ? 'Healthy' : 'Unhealthy',
    };
  }
  const json: JsonObject = {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    vips: service.vips.map(({ network, address }) => `${network}/${address}`),
    ports: ports(service.ports),
    endpoints,
    subjectAltNames: service.subjectAltNames,
    canonical: service.isCanonical,
    visibility: service.isPublic ? 'Public' : 'Namespace',
  };
  if (service.cidrVips.length > 0)
    json['cidrVips'] = service.cidrVips.map(({ network, address, length }) => ({
      network,
      cidr: `${address}/${length}`,
    }));
  if (service.loadBalancing) json['loadBalancer'] = loadBalancer(service.loadBalancing);
  if (service.waypoint) json['waypoint'] = gateway(service.waypoint);
  if (service.weightedWaypoints.length > 0)
    json['weightedWaypoints'] = service.weightedWaypoints.map(({ destination, weight }) => ({
      destination: gateway(destination),
      weight,
    }));
  const families = IP_FAMILIES[service.ipFamilies];
  if (families !== undefined) json['ipFamilies'] = families;
  return json;
}

const IP_FAMILIES: Readonly<Record<Service['ipFamilies'], string | undefined>> = {
  automatic: undefined,
  ipv4: 'IPv4',
  ipv6: 'IPv6',
  dual: 'Dual',
};

const MODES: Readonly<Record<LoadBalancing['mode'], string>> = {
  standard: 'Standard',
  strict: 'Strict',
  failover: 'Failover',
  passthrough: 'Passthrough',
};

function loadBalancer(balancing: LoadBalancing): Json {
  return {
    routingPreferences: balancing.preferences.map(capitalised),
    mode: MODES[balancing.mode],
    healthPolicy: balancing.allowsUnhealthy ? 'AllowAll' : 'OnlyHealthy',
  };
}

function gateway(address: GatewayAddress): Json {
  return { destination: gatewayText(address), hboneMtlsPort: address.hbonePort };
}

/** JSON keys are strings, so ports become text. */
function ports(map: PortMap): Json {
  return Object.fromEntries([...map].map(([servicePort, targetPort]) => [String(servicePort), targetPort]));
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
