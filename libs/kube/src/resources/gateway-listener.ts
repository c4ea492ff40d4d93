import type { ObjectReader } from '../object-reader.ts';
import { type LabelSelector, readLabelSelector } from './label-selector.ts';
import { readConditionList, type StatusCondition } from './status-condition.ts';

/** Which namespaces may use a listener, or add listeners. */
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

/** A listener of a Gateway or of a ListenerSet. */
export interface GatewayListener {
  readonly name: string;
  readonly port: number;
  /** `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, `HBONE`, or a domain-prefixed name. */
  readonly protocol: string;
  readonly hostname: string | undefined;
  /** Undefined when nothing is written, which means the namespace of the object that has the listener. */
  readonly allowedNamespaces: AllowedNamespaces | undefined;
  /** Kinds of routes; empty: those of the protocol. */
  readonly allowedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly tls: ListenerTls | undefined;
}

/** What was said of one listener. */
export interface GatewayListenerStatus {
  readonly name: string;
  readonly supportedKinds: readonly string[];
  readonly attachedRoutes: number;
  readonly conditions: readonly StatusCondition[];
}

export function readReference(reader: ObjectReader): ObjectReference {
  return {
    group: reader.string('group') ?? '',
    kind: reader.string('kind') ?? 'Secret',
    namespace: reader.string('namespace'),
    name: reader.requiredString('name'),
  };
}

export function readListener(reader: ObjectReader): GatewayListener {
  const routes = reader.object('allowedRoutes', (body) => ({
    namespaces: body.object('namespaces', readAllowedNamespaces) ?? { from: 'Same' as const, selector: undefined },
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

export function readAllowedNamespaces(reader: ObjectReader): AllowedNamespaces {
  return {
    from: reader.choice('from', ['All', 'Same', 'Selector', 'None']) ?? 'Same',
    selector: readLabelSelector(reader, 'selector'),
  };
}

export function readListenerStatus(listener: ObjectReader): GatewayListenerStatus {
  return {
    name: listener.string('name') ?? '',
    supportedKinds: listener.objects('supportedKinds', (kind) => {
      kind.ignore('group');
      return kind.string('kind') ?? '';
    }),
    attachedRoutes: listener.integer('attachedRoutes', 0, 2_147_483_647) ?? 0,
    conditions: readConditionList(listener),
  };
}
