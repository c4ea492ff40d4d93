import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type LabelSelector, readLabelSelector } from './label-selector.ts';
import { readConditionList, type StatusCondition } from './status-condition.ts';

/** Which namespaces may use a listener. */
export interface AllowedNamespaces {
  readonly from: 'All' | 'Same' | 'Selector' | 'None';
  readonly selector: LabelSelector | undefined;
}

/** A reference to an object with certificates or roots. */
export interface ObjectReference {
  readonly group: string;
  readonly kind: string;
  /** Undefined: that of the object which refers to it. */
  readonly namespace: string | undefined;
  readonly name: string;
}

/** How a listener treats TLS. */
export interface ListenerTls {
  /** `Terminate` or `Passthrough`, or something not known here. */
  readonly mode: string;
  readonly certificates: readonly ObjectReference[];
  readonly options: Readonly<Record<string, string>>;
}

/** Which client certificates are asked for. */
export interface ClientValidation {
  readonly roots: readonly ObjectReference[];
  /** `AllowValidOnly` or `AllowInsecureFallback`. */
  readonly mode: string;
}

export interface GatewayListener {
  readonly name: string;
  readonly port: number;
  /** `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, `HBONE`, or a domain-prefixed name. */
  readonly protocol: string;
  readonly hostname: string | undefined;
  /** Undefined when nothing is written, which means the gateway's own namespace. */
  readonly allowedNamespaces: AllowedNamespaces | undefined;
  /** Kinds of routes; empty: those of the protocol. */
  readonly allowedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly tls: ListenerTls | undefined;
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
    /** Client certificates on HTTPS listeners: on most ports, and on some. */
    readonly clientValidation: {
      readonly common: ClientValidation | undefined;
      readonly perPort: readonly { readonly port: number; readonly validation: ClientValidation | undefined }[];
    };
  };
  readonly status: {
    readonly addresses: readonly GatewayAddress[];
    readonly conditions: readonly StatusCondition[];
    readonly listeners: readonly GatewayListenerStatus[];
  };
}

/** What was said of one listener. */
export interface GatewayListenerStatus {
  readonly name: string;
  readonly supportedKinds: readonly string[];
  readonly attachedRoutes: number;
  readonly conditions: readonly StatusCondition[];
}

export function readGateway(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Gateway {
  const spec = reader.requiredObject('spec', (body) => {
    body.ignore('infrastructure', 'backendTLS', 'allowedListeners', 'defaultScope');
    return {
      gatewayClassName: body.requiredString('gatewayClassName'),
      listeners: body.objects('listeners', readListener),
      addresses: body.objects('addresses', readAddress),
      clientValidation: body.object('tls', readGatewayTls) ?? noValidation,
    };
  });
  const status = reader.object('status', (body) => {
    body.ignore('attachedListenerSets');
    return {
      addresses: body.objects('addresses', readAddress),
      conditions: readConditionList(body),
      listeners: body.objects('listeners', (listener) => ({
        name: listener.string('name') ?? '',
        supportedKinds: listener.objects('supportedKinds', (kind) => {
          kind.ignore('group');
          return kind.string('kind') ?? '';
        }),
        attachedRoutes: listener.integer('attachedRoutes', 0, 2_147_483_647) ?? 0,
        conditions: readConditionList(listener),
      })),
    };
  });
  return {
    kind: 'Gateway',
    metadata,
    origin,
    spec: spec ?? { gatewayClassName: '', listeners: [], addresses: [], clientValidation: noValidation },
    status: status ?? { addresses: [], conditions: [], listeners: [] },
  };
}

const noValidation: Gateway['spec']['clientValidation'] = { common: undefined, perPort: [] };

function readGatewayTls(reader: ObjectReader): Gateway['spec']['clientValidation'] {
  reader.ignore('backend');
  const frontend = reader.object('frontend', (body) => ({
    common: body.object('default', readTlsConfig),
    perPort: body.objects('perPort', (entry) => ({
      port: entry.requiredPort('port'),
      validation: entry.object('tls', readTlsConfig),
    })),
  }));
  return frontend ?? noValidation;
}

function readTlsConfig(reader: ObjectReader): ClientValidation | undefined {
  return reader.object('validation', (validation) => ({
    roots: validation.objects('caCertificateRefs', readReference),
    mode: validation.string('mode') ?? 'AllowValidOnly',
  }));
}

function readReference(reader: ObjectReader): ObjectReference {
  return {
    group: reader.string('group') ?? '',
    kind: reader.string('kind') ?? 'Secret',
    namespace: reader.string('namespace'),
    name: reader.requiredString('name'),
  };
}

function readListener(reader: ObjectReader): GatewayListener {
  const routes = reader.object('allowedRoutes', (body) => ({
    namespaces: body.object('namespaces', readNamespaces) ?? { from: 'Same' as const, selector: undefined },
    kinds: body.objects('kinds', (kind) => ({
      group: kind.string('group') ?? 'gateway.networking.k8s.io',
      kind: kind.requiredString('kind'),
    })),
  }));
  return {
    name: reader.requiredString('name'),
    port: reader.requiredPort('port'),
    protocol: reader.requiredString('protocol'),
    hostname: reader.string('hostname'),
    allowedNamespaces: routes?.namespaces,
    allowedKinds: routes?.kinds ?? [],
    tls: reader.object('tls', (tls) => ({
      mode: tls.string('mode') ?? 'Terminate',
      certificates: tls.objects('certificateRefs', readReference),
      options: tls.stringMap('options'),
    })),
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
