import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type LabelSelector, readLabelSelector } from './label-selector.ts';

/** Which namespaces may use a listener. */
export interface AllowedNamespaces {
  readonly from: 'All' | 'Same' | 'Selector' | 'None';
  readonly selector: LabelSelector | undefined;
}

export interface GatewayListener {
  readonly name: string;
  readonly port: number;
  /** `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, `HBONE`, or a domain-prefixed name. */
  readonly protocol: string;
  readonly hostname: string | undefined;
  /** Undefined when nothing is written, which means the gateway's own namespace. */
  readonly allowedNamespaces: AllowedNamespaces | undefined;
}

/** An address wanted (`spec`) or obtained (`status`). */
export interface GatewayAddress {
  readonly type: string;
  readonly value: string;
}

/**
 * A gateway of the Gateway API. What a deployment controller needs beyond this (infrastructure, listener TLS, listener
 * status) is read by whoever deploys gateways.
 */
export interface Gateway extends ResourceBase<'Gateway'> {
  readonly spec: {
    readonly gatewayClassName: string;
    readonly listeners: readonly GatewayListener[];
    readonly addresses: readonly GatewayAddress[];
  };
  readonly status: { readonly addresses: readonly GatewayAddress[] };
}

export function readGateway(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Gateway {
  const spec = reader.requiredObject('spec', (body) => {
    body.ignore('infrastructure', 'backendTLS', 'tls', 'allowedListeners', 'defaultScope');
    return {
      gatewayClassName: body.requiredString('gatewayClassName'),
      listeners: body.objects('listeners', readListener),
      addresses: body.objects('addresses', readAddress),
    };
  });
  const addresses = reader.object('status', (status) => {
    status.ignore('conditions', 'listeners', 'attachedListenerSets');
    return status.objects('addresses', readAddress);
  });
  return {
    kind: 'Gateway',
    metadata,
    origin,
    spec: spec ?? { gatewayClassName: '', listeners: [], addresses: [] },
    status: { addresses: addresses ?? [] },
  };
}

function readListener(reader: ObjectReader): GatewayListener {
  reader.ignore('tls');
  return {
    name: reader.requiredString('name'),
    port: reader.requiredPort('port'),
    protocol: reader.requiredString('protocol'),
    hostname: reader.string('hostname'),
    allowedNamespaces: reader.object('allowedRoutes', (routes) => {
      routes.ignore('kinds');
      return routes.object('namespaces', readNamespaces) ?? { from: 'Same', selector: undefined };
    }),
  };
}

function readNamespaces(reader: ObjectReader): AllowedNamespaces {
  return {
    from: reader.choice('from', ['All', 'Same', 'Selector', 'None']) ?? 'Same',
    selector: readLabelSelector(reader, 'selector'),
  };
}

function readAddress(reader: ObjectReader): GatewayAddress {
  return { type: reader.string('type') ?? 'IPAddress', value: reader.string('value') ?? '' };
}
