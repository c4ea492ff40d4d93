import type { Location } from '../location.ts';
import type { Labels, ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import {
  type AllowedNamespaces,
  type GatewayListener,
  type GatewayListenerStatus,
  type ObjectReference,
  readAllowedNamespaces,
  readListener,
  readListenerStatus,
  readReference,
} from './gateway-listener.ts';
import { readConditionList, type StatusCondition } from './status-condition.ts';

/** Which client certificates are asked for. */
export interface ClientValidation {
  readonly roots: readonly ObjectReference[];
  /** `AllowValidOnly` or `AllowInsecureFallback`. */
  readonly mode: string;
}

/** An address wanted (`spec`) or obtained (`status`). */
export interface GatewayAddress {
  readonly type: string;
  readonly value: string;
}

/**
 * A gateway of the Gateway API. What a deployment controller needs beyond this (the rest of infrastructure) is read by whoever
 * deploys gateways.
 */
export interface Gateway extends ResourceBase<'Gateway'> {
  readonly spec: {
    readonly gatewayClassName: string;
    /** `infrastructure.labels`: what pods are labelled with instead of the Gateway's own labels; undefined: nothing is said. */
    readonly podLabels: Labels | undefined;
    /** The same of annotations. */
    readonly podAnnotations: Labels | undefined;
    readonly listeners: readonly GatewayListener[];
    readonly addresses: readonly GatewayAddress[];
    /** Client certificates on HTTPS listeners: on most ports, and on some. */
    readonly clientValidation: {
      readonly common: ClientValidation | undefined;
      readonly perPort: readonly { readonly port: number; readonly validation: ClientValidation | undefined }[];
    };
    /** The certificate that backends with TLS are shown. */
    readonly backendCertificate: ObjectReference | undefined;
    /** From where ListenerSets may add listeners; undefined: from nowhere. */
    readonly allowedListeners: AllowedNamespaces | undefined;
  };
  readonly status: {
    readonly addresses: readonly GatewayAddress[];
    readonly conditions: readonly StatusCondition[];
    readonly listeners: readonly GatewayListenerStatus[];
    /** Number of ListenerSets whose listeners were taken; undefined: nothing was said. */
    readonly attachedListenerSets: number | undefined;
  };
}

/** Undefined where labels and annotations of the Gateway itself go to what is generated. */
function readPodMetadata(reader: ObjectReader): { readonly labels: Labels; readonly annotations: Labels } | undefined {
  reader.ignore('parametersRef');
  const labels = reader.stringMap('labels');
  const annotations = reader.stringMap('annotations');
  return Object.keys(labels).length + Object.keys(annotations).length > 0 ? { labels, annotations } : undefined;
}

export function readGateway(reader: ObjectReader, metadata: ObjectMeta, origin: Location): Gateway {
  const spec = reader.requiredObject('spec', (body) => {
    body.ignore('backendTLS', 'defaultScope');
    const pods = body.object('infrastructure', readPodMetadata);
    return {
      gatewayClassName: body.requiredString('gatewayClassName'),
      podLabels: pods?.labels,
      podAnnotations: pods?.annotations,
      listeners: body.objects('listeners', readListener),
      addresses: body.objects('addresses', readAddress),
      ...(body.object('tls', readGatewayTls) ?? noTls),
      allowedListeners: body.object('allowedListeners', (allowed) =>
        allowed.object('namespaces', (namespaces) => {
          const read = readAllowedNamespaces(namespaces);
          // Unlike routes, listeners are from nowhere unless somebody says so.
          return namespaces.has('from') ? read : { ...read, from: 'None' as const };
        }),
      ),
    };
  });
  const status = reader.object('status', (body) => ({
    addresses: body.objects('addresses', readAddress),
    conditions: readConditionList(body),
    listeners: body.objects('listeners', readListenerStatus),
    attachedListenerSets: body.integer('attachedListenerSets', 0, 2_147_483_647),
  }));
  return {
    kind: 'Gateway',
    metadata,
    origin,
    spec: spec ?? {
      gatewayClassName: '',
      podLabels: undefined,
      podAnnotations: undefined,
      listeners: [],
      addresses: [],
      ...noTls,
      allowedListeners: undefined,
    },
    status: status ?? { addresses: [], conditions: [], listeners: [], attachedListenerSets: undefined },
  };
}

type GatewayTls = Pick<Gateway['spec'], 'clientValidation' | 'backendCertificate'>;

const noTls: GatewayTls = { clientValidation: { common: undefined, perPort: [] }, backendCertificate: undefined };

function readGatewayTls(reader: ObjectReader): GatewayTls {
  const frontend = reader.object('frontend', (body) => ({
    common: body.object('default', readTlsConfig),
    perPort: body.objects('perPort', (entry) => ({
      port: entry.requiredPort('port'),
      validation: entry.object('tls', readTlsConfig),
    })),
  }));
  return {
    clientValidation: frontend ?? noTls.clientValidation,
    backendCertificate: reader.object('backend', (body) => body.object('clientCertificateRef', readReference)),
  };
}

function readTlsConfig(reader: ObjectReader): ClientValidation | undefined {
  return reader.object('validation', (validation) => ({
    roots: validation.objects('caCertificateRefs', readReference),
    mode: validation.string('mode') ?? 'AllowValidOnly',
  }));
}

function readAddress(reader: ObjectReader): GatewayAddress {
  return { type: reader.string('type') ?? 'IPAddress', value: reader.string('value') ?? '' };
}
