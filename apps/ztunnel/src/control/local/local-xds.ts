/**
 * Static configuration as YAML in the words of the admin dump, turned into the same resources that xDS brings.
 * Istio: ztunnel's LOCAL_XDS. Pure.
 */
import { security, workload } from '@ambit/api';
import type { ReceivedResource } from '@ambit/xds';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { parse } from 'yaml';
import { ipBytes, localPolicy } from './local-policy.ts';
import { problem, YamlRecord } from './yaml-record.ts';

export interface LocalResources {
  readonly addresses: readonly ReceivedResource[];
  readonly policies: readonly ReceivedResource[];
}

/** Throws AmbitError `BAD_LOCAL_XDS` with the path of what is wrong. */
export function parseLocalXds(text: string): LocalResources {
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 100 });
  } catch (cause) {
    throw problem('', cause instanceof Error ? cause.message : String(cause));
  }
  const root = new YamlRecord(document ?? {}, '');
  const workloads = root.records('workloads').map(readWorkload);
  const services = root.records('services').map(readService);
  const policies = root.records('policies').map(localPolicy);
  root.end();
  return {
    addresses: [...workloads, ...services],
    policies: policies.map((policy) =>
      resource(
        `${policy.namespace}/${policy.name}`,
        toBinary(security.AuthorizationSchema, create(security.AuthorizationSchema, policy)),
      ),
    ),
  };
}

function resource(name: string, value: Uint8Array): ReceivedResource {
  return { name, version: '', value, aliases: [] };
}

function address(
  name: string,
  type: NonNullable<MessageInitShape<typeof workload.AddressSchema>['type']>,
): ReceivedResource {
  return resource(name, toBinary(workload.AddressSchema, create(workload.AddressSchema, { type })));
}

const PROTOCOLS = { HBONE: workload.TunnelProtocol.HBONE, TCP: workload.TunnelProtocol.NONE };
const NETWORK_MODES = { Standard: workload.NetworkMode.STANDARD, HostNetwork: workload.NetworkMode.HOST_NETWORK };
const STATUSES = { Healthy: workload.WorkloadStatus.HEALTHY, Unhealthy: workload.WorkloadStatus.UNHEALTHY };
const WORKLOAD_TYPES = {
  deployment: workload.WorkloadType.DEPLOYMENT,
  cronjob: workload.WorkloadType.CRONJOB,
  pod: workload.WorkloadType.POD,
  job: workload.WorkloadType.JOB,
};
const TUNNELS = { NONE: workload.ApplicationTunnel_Protocol.NONE, PROXY: workload.ApplicationTunnel_Protocol.PROXY };

function readWorkload(record: YamlRecord): ReceivedResource {
  const uid = record.text('uid');
  const tunnel = record.record('applicationTunnel');
  const locality = record.record('locality');
  const waypoint = record.record('waypoint');
  const networkGateway = record.record('networkGateway');
  const value = {
    uid,
    name: record.text('name', ''),
    namespace: record.text('namespace', ''),
    addresses: record.texts('workloadIps').map(ipBytes),
    hostname: record.text('hostname', ''),
    network: record.text('network', ''),
    tunnelProtocol: record.choice('protocol', PROTOCOLS, 'TCP'),
    networkMode: record.choice('networkMode', NETWORK_MODES, 'Standard'),
    trustDomain: record.text('trustDomain', ''),
    serviceAccount: record.text('serviceAccount', ''),
    workloadName: record.text('workloadName', ''),
    workloadType: record.choice('workloadType', WORKLOAD_TYPES, 'deployment'),
    canonicalName: record.text('canonicalName', ''),
    canonicalRevision: record.text('canonicalRevision', ''),
    node: record.text('node', ''),
    nativeTunnel: record.flag('nativeTunnel'),
    authorizationPolicies: [...record.texts('authorizationPolicies')],
    status: record.choice('status', STATUSES, 'Healthy'),
    clusterId: record.text('clusterId', ''),
    capacity: record.integer('capacity', 1),
    ...(waypoint === undefined ? {} : { waypoint: gateway(waypoint) }),
    ...(networkGateway === undefined ? {} : { networkGateway: gateway(networkGateway) }),
    ...(tunnel === undefined
      ? {}
      : {
          applicationTunnel: { protocol: tunnel.choice('protocol', TUNNELS, 'NONE'), port: tunnel.integer('port', 0) },
        }),
    ...(locality === undefined
      ? {}
      : {
          locality: {
            region: locality.text('region', ''),
            zone: locality.text('zone', ''),
            subzone: locality.text('subzone', ''),
          },
        }),
    services: Object.fromEntries(
      (record.record('services')?.entries() ?? []).map(([name, ports]) => [
        name,
        { ports: portList(new YamlRecord(ports, `services.${name}.`)) },
      ]),
    ),
  };
  record.end();
  return address(uid, { case: 'workload', value });
}

const MODES = {
  Standard: workload.LoadBalancing_Mode.UNSPECIFIED_MODE,
  Strict: workload.LoadBalancing_Mode.STRICT,
  Failover: workload.LoadBalancing_Mode.FAILOVER,
  Passthrough: workload.LoadBalancing_Mode.PASSTHROUGH,
};
const SCOPES: Readonly<Record<string, workload.LoadBalancing_Scope>> = {
  Region: workload.LoadBalancing_Scope.REGION,
  Zone: workload.LoadBalancing_Scope.ZONE,
  Subzone: workload.LoadBalancing_Scope.SUBZONE,
  Node: workload.LoadBalancing_Scope.NODE,
  Cluster: workload.LoadBalancing_Scope.CLUSTER,
  Network: workload.LoadBalancing_Scope.NETWORK,
};
const HEALTH = {
  OnlyHealthy: workload.LoadBalancing_HealthPolicy.ONLY_HEALTHY,
  AllowAll: workload.LoadBalancing_HealthPolicy.ALLOW_ALL,
};

function readService(record: YamlRecord): ReceivedResource {
  const namespace = record.text('namespace', '');
  const hostname = record.text('hostname');
  const balancing = record.record('loadBalancer');
  const waypoint = record.record('waypoint');
  const ports = record.record('ports');
  const value = {
    name: record.text('name', ''),
    namespace,
    hostname,
    addresses: record.texts('vips').map(networkAddress),
    ports: ports === undefined ? [] : portList(ports),
    subjectAltNames: [...record.texts('subjectAltNames')],
    canonical: record.flag('canonical'),
    ...(waypoint === undefined ? {} : { waypoint: gateway(waypoint) }),
    ...(balancing === undefined
      ? {}
      : {
          loadBalancing: {
            mode: balancing.choice('mode', MODES, 'Standard'),
            healthPolicy: balancing.choice('healthPolicy', HEALTH, 'OnlyHealthy'),
            routingPreference: balancing.texts('routingPreferences').map(scope),
          },
        }),
  };
  record.end();
  return address(`${namespace}/${hostname}`, { case: 'service', value });
}

function scope(word: string): workload.LoadBalancing_Scope {
  const found = SCOPES[word];
  if (found === undefined) throw problem('routingPreferences', `unknown scope ${word}`);
  return found;
}

function portList(record: YamlRecord): { readonly servicePort: number; readonly targetPort: number }[] {
  return record.entries().map(([port, target]) => {
    const servicePort = Number(port);
    if (!Number.isInteger(servicePort) || typeof target !== 'number') throw problem('ports', 'expected port: port');
    return { servicePort, targetPort: target };
  });
}

/** `network/ip`; the network may be empty. */
function networkAddress(text: string): { readonly network: string; readonly address: Uint8Array } {
  const slash = text.indexOf('/');
  return { network: slash < 0 ? '' : text.slice(0, slash), address: ipBytes(text.slice(slash + 1)) };
}

/** `destination` is `network/ip` or `namespace/hostname`. */
function gateway(record: YamlRecord): MessageInitShape<typeof workload.GatewayAddressSchema> {
  const destination = record.text('destination');
  const hboneMtlsPort = record.integer('hboneMtlsPort', 15_008);
  const [first = '', second = ''] = destination.split('/');
  record.end();
  if (/^[\d.]+$|:/.test(second)) {
    return { destination: { case: 'address', value: networkAddress(destination) }, hboneMtlsPort };
  }
  return { destination: { case: 'hostname', value: { namespace: first, hostname: second } }, hboneMtlsPort };
}
