import { workload } from '@ambit/api';

/** Ports whose protocol speaks first on the server side: never HTTP, whatever nobody said. */
const serverFirstPorts: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** Protocols Istio has a name for and the workload API has not. */
const namedButUnknown: ReadonlySet<string> = new Set([
  'mysql',
  'mongo',
  'redis',
  'udp',
  'grpc-web',
  'hbone',
  'https-connect',
]);

const byName: ReadonlyMap<string, workload.AppProtocol> = new Map([
  ['http', workload.AppProtocol.HTTP11],
  ['kubernetes.io/ws', workload.AppProtocol.HTTP11],
  ['http2', workload.AppProtocol.HTTP2],
  ['kubernetes.io/h2c', workload.AppProtocol.HTTP2],
  ['grpc', workload.AppProtocol.GRPC],
  ['https', workload.AppProtocol.TLS],
  ['tls', workload.AppProtocol.TLS],
  ['kubernetes.io/wss', workload.AppProtocol.TLS],
  ['tcp', workload.AppProtocol.TCP],
]);

/** What is known about a port's protocol. */
export interface PortFacts {
  readonly number: number;
  readonly name: string | undefined;
  /** `appProtocol` of a Service port. */
  readonly declared: string | undefined;
  readonly isUdp: boolean;
}

/** Spec: control-plane.md section 3.4, appProtocol mapping. */
export function appProtocol(port: PortFacts): workload.AppProtocol {
  if (port.isUdp) return workload.AppProtocol.UNKNOWN;
  const declared = (port.declared ?? port.name ?? '').toLowerCase();
  const exact = byName.get(declared);
  if (exact !== undefined) return exact;
  if (declared.startsWith('grpc-web')) return workload.AppProtocol.UNKNOWN;
  const [prefix = ''] = declared.split('-');
  const known = prefix.includes('/') ? undefined : byName.get(prefix);
  if (known !== undefined) return known;
  const isUndeclared = !namedButUnknown.has(prefix) && !namedButUnknown.has(declared);
  return isUndeclared && serverFirstPorts.has(port.number) ? workload.AppProtocol.TCP : workload.AppProtocol.UNKNOWN;
}

/** Protocol of a ServiceEntry's port: what it declares, in any case; its name and number say nothing. */
export function entryProtocol(declared: string | undefined): workload.AppProtocol {
  const name = (declared ?? '').toLowerCase();
  const known = name.includes('/') ? undefined : byName.get(name);
  return known ?? workload.AppProtocol.UNKNOWN;
}
