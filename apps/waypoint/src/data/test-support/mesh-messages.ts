/** Encoded resources of small meshes, for tests. */
import { proxy as proxyMessages, workload as api } from '@ambit/api';
import { parseIp } from '@ambit/net';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';

type WorkloadInit = MessageInitShape<typeof api.WorkloadSchema>;
type ServiceInit = MessageInitShape<typeof api.ServiceSchema>;

export function ip(text: string): Uint8Array {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address.bytes;
}

/** A pod of namespace shop, member of the named services. */
export function pod(
  name: string,
  address: string,
  services: Readonly<Record<string, number>>,
  init: WorkloadInit = {},
): Uint8Array {
  const workload = create(api.WorkloadSchema, {
    uid: `Kubernetes//Pod/shop/${name}`,
    name,
    namespace: 'shop',
    serviceAccount: name,
    addresses: address === '' ? [] : [ip(address)],
    node: 'node1',
    workloadName: name,
    canonicalName: name,
    canonicalRevision: 'v1',
    clusterId: 'Kubernetes',
    trustDomain: 'cluster.local',
    services: Object.fromEntries(
      Object.entries(services).map(([service, targetPort]) => [
        `shop/${service}.shop.svc.cluster.local`,
        { ports: [{ servicePort: 80, targetPort }] },
      ]),
    ),
    ...init,
  });
  return toBinary(api.AddressSchema, create(api.AddressSchema, { type: { case: 'workload', value: workload } }));
}

/** A service of namespace shop with port 80. */
export function service(name: string, vip: string, init: ServiceInit = {}): Uint8Array {
  const value = create(api.ServiceSchema, {
    name,
    namespace: 'shop',
    hostname: `${name}.shop.svc.cluster.local`,
    addresses: [{ address: ip(vip) }],
    ports: [{ servicePort: 80, targetPort: 0 }],
    ...init,
  });
  return toBinary(api.AddressSchema, create(api.AddressSchema, { type: { case: 'service', value } }));
}

export const proxyName = 'shop/waypoint';

export function proxy(init: MessageInitShape<typeof proxyMessages.ProxySchema> = {}): Uint8Array {
  return toBinary(
    proxyMessages.ProxySchema,
    create(proxyMessages.ProxySchema, {
      namespace: 'shop',
      name: 'waypoint',
      kind: proxyMessages.Proxy_Kind.WAYPOINT,
      trustDomains: ['cluster.local'],
      ...init,
    }),
  );
}

/** Resource name and bytes of a destination of namespace shop that is served, with port 80 of the given kind. */
export function destination(
  name: string,
  port: MessageInitShape<typeof proxyMessages.DestinationPortSchema> = {},
  init: MessageInitShape<typeof proxyMessages.DestinationSchema> = {},
): readonly [string, Uint8Array] {
  const hostname = `${name}.shop.svc.cluster.local`;
  const bytes = toBinary(
    proxyMessages.DestinationSchema,
    create(proxyMessages.DestinationSchema, {
      namespace: 'shop',
      hostname,
      served: true,
      ports: [{ port: 80, name: 'http', protocol: proxyMessages.Protocol.HTTP, ...port }],
      ...init,
    }),
  );
  return [`${proxyName}/shop/${hostname}`, bytes];
}
