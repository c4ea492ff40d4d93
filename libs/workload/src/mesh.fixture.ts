/** Builders of small meshes for the tests of this library; not exported. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { workload as api } from '@ambit/api';
import { parseIp } from '@ambit/net';
import { WorkloadArena, type WorkloadArenaOptions } from './workload-arena.ts';

type WorkloadInit = MessageInitShape<typeof api.WorkloadSchema>;
type ServiceInit = MessageInitShape<typeof api.ServiceSchema>;

/** Raw bytes of an address. */
export function ip(text: string): Uint8Array {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address.bytes;
}

/** The encoded resource of a workload. */
export function encodeWorkload(init: WorkloadInit): Uint8Array {
  const workload = create(api.WorkloadSchema, init);
  return toBinary(api.AddressSchema, create(api.AddressSchema, { type: { case: 'workload', value: workload } }));
}

/** The encoded resource of a service. */
export function encodeService(init: ServiceInit): Uint8Array {
  const service = create(api.ServiceSchema, init);
  return toBinary(api.AddressSchema, create(api.AddressSchema, { type: { case: 'service', value: service } }));
}

/** A pod with one address; everything else as given. */
export function pod(name: string, address: string, init: WorkloadInit = {}): Uint8Array {
  return encodeWorkload({
    uid: `Kubernetes//Pod/shop/${name}`,
    name,
    namespace: 'shop',
    serviceAccount: name,
    addresses: address === '' ? [] : [ip(address)],
    node: 'node1',
    workloadName: name,
    canonicalName: name,
    tunnelProtocol: api.TunnelProtocol.HBONE,
    ...init,
  });
}

/** A service of namespace shop with one VIP, port 80 to 8080. */
export function service(name: string, vip: string, init: ServiceInit = {}): Uint8Array {
  return encodeService({
    name,
    namespace: 'shop',
    hostname: `${name}.shop.svc.cluster.local`,
    addresses: vip === '' ? [] : [{ address: ip(vip) }],
    ports: [{ servicePort: 80, targetPort: 8080 }],
    ...init,
  });
}

/** Membership of services in namespace shop, ports as given. */
export function inServices(...names: readonly string[]): NonNullable<WorkloadInit['services']> {
  const ports = create(api.PortListSchema, { ports: [{ servicePort: 80, targetPort: 8080 }] });
  return Object.fromEntries(names.map((name) => [`shop/${name}.shop.svc.cluster.local`, ports]));
}

/** A reference to a service of namespace shop as waypoint. */
export function waypointService(name: string): MessageInitShape<typeof api.GatewayAddressSchema> {
  const hostname = { namespace: 'shop', hostname: `${name}.shop.svc.cluster.local` };
  return { destination: { case: 'hostname', value: hostname }, hboneMtlsPort: 15008 };
}

/** A reference to an address as waypoint or gateway. */
export function gatewayAddress(address: string, network = ''): MessageInitShape<typeof api.GatewayAddressSchema> {
  return {
    destination: { case: 'address', value: { network, address: ip(address) } },
    hboneMtlsPort: 15008,
  };
}

/** An arena that holds the given resources. */
export function mesh(resources: readonly Uint8Array[], options: WorkloadArenaOptions = {}): WorkloadArena {
  const arena = new WorkloadArena(options);
  for (const resource of resources) arena.upsert(resource);
  return arena;
}
