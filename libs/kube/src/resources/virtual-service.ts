import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readDuration } from './duration.ts';
import {
  readCorsPolicy,
  readFault,
  readHeaderOperations,
  readRetries,
  readText,
  readTextMap,
  type CorsPolicy,
  type FaultSpec,
  type HeaderOperations,
  type HttpRetry,
  type TextCondition,
} from './virtual-service-parts.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';

/** Conditions on a request of which all must hold. */
export interface HttpMatchRequest {
  readonly name: string | undefined;
  /** Requests that match are counted under this name. */
  readonly statPrefix: string | undefined;
  readonly uri: TextCondition | undefined;
  readonly scheme: TextCondition | undefined;
  readonly method: TextCondition | undefined;
  readonly authority: TextCondition | undefined;
  readonly headers: readonly (readonly [name: string, condition: TextCondition])[];
  readonly withoutHeaders: readonly (readonly [name: string, condition: TextCondition])[];
  readonly queryParams: readonly (readonly [name: string, condition: TextCondition])[];
  readonly ignoreUriCase: boolean;
  readonly port: number | undefined;
  readonly hasSourceLabels: boolean;
  readonly sourceNamespace: string | undefined;
  /** Empty: those of the VirtualService. */
  readonly gateways: readonly string[];
}

/** A host, a subset of it, and a port; the port may follow from the host. */
export interface RouteDestination {
  readonly host: string;
  readonly subset: string | undefined;
  readonly port: number | undefined;
}

export interface WeightedDestination {
  readonly destination: RouteDestination;
  readonly weight: number;
  readonly headers: HeaderOperations;
}

export interface HttpRedirectSpec {
  readonly uri: string | undefined;
  readonly prefixRewrite: string | undefined;
  readonly authority: string | undefined;
  readonly port: number | undefined;
  /** `FROM_PROTOCOL_DEFAULT` or `FROM_REQUEST_PORT`. */
  readonly derivePort: string | undefined;
  readonly scheme: string | undefined;
  readonly code: number | undefined;
}

export interface HttpRewriteSpec {
  readonly uri: string | undefined;
  readonly authority: string | undefined;
  readonly regex: { readonly match: string; readonly rewrite: string } | undefined;
}

export interface MirrorSpec {
  readonly destination: RouteDestination;
  /** Percent; undefined is all. */
  readonly percent: number | undefined;
}

export interface VirtualServiceRoute {
  readonly name: string | undefined;
  readonly matches: readonly HttpMatchRequest[];
  readonly destinations: readonly WeightedDestination[];
  readonly redirect: HttpRedirectSpec | undefined;
  readonly directResponse:
    | { readonly status: number; readonly body: string | undefined; readonly bytes: string | undefined }
    | undefined;
  readonly delegate: { readonly name: string; readonly namespace: string | undefined } | undefined;
  readonly rewrite: HttpRewriteSpec | undefined;
  readonly timeoutMs: number | undefined;
  readonly retries: HttpRetry | undefined;
  readonly fault: FaultSpec | undefined;
  readonly mirrors: readonly MirrorSpec[];
  readonly cors: CorsPolicy | undefined;
  readonly headers: HeaderOperations;
}

/** A rule for TLS or TCP connections. */
export interface StreamRule {
  readonly matches: readonly {
    readonly sniHosts: readonly string[];
    readonly port: number | undefined;
    readonly gateways: readonly string[];
    readonly hasSourceLabels: boolean;
    readonly sourceNamespace: string | undefined;
    /** Destination or source subnets are asked for; nothing here can check them. */
    readonly hasSubnets: boolean;
  }[];
  readonly destinations: readonly { readonly destination: RouteDestination; readonly weight: number }[];
}

/** Istio's routes for the traffic of hosts. */
export interface VirtualService extends ResourceBase<'VirtualService'> {
  readonly spec: {
    readonly hosts: readonly string[];
    /** Empty means `mesh`. */
    readonly gateways: readonly string[];
    /** Empty means everywhere. */
    readonly exportTo: readonly string[];
    readonly http: readonly VirtualServiceRoute[];
    readonly tls: readonly StreamRule[];
    readonly tcp: readonly StreamRule[];
  };
  /** Fields that are set and have no effect. */
  readonly unhonoured: readonly string[];
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

export function readVirtualService(reader: ObjectReader, metadata: ObjectMeta, origin: Location): VirtualService {
  const spec = reader.requiredObject('spec', (body) => ({
    hosts: body.strings('hosts'),
    gateways: body.strings('gateways'),
    exportTo: body.strings('exportTo'),
    http: body.objects('http', readHttp),
    tls: body.objects('tls', readStreamRule),
    tcp: body.objects('tcp', readStreamRule),
  }));
  return {
    kind: 'VirtualService',
    metadata,
    origin,
    spec: spec ?? { hosts: [], gateways: [], exportTo: [], http: [], tls: [], tcp: [] },
    unhonoured: reader.unhonoured,
    status: { conditions: readConditions(reader) },
  };
}

function readHttp(reader: ObjectReader): VirtualServiceRoute {
  const single = reader.object('mirror', readDestination);
  const percent =
    reader.object('mirrorPercentage', (body) => body.number('value', 0, 100)) ??
    reader.integer('mirrorPercent', 0, 100);
  return {
    name: reader.string('name'),
    matches: reader.objects('match', readMatch),
    destinations: reader.objects('route', (entry) => ({
      destination: entry.requiredObject('destination', readDestination) ?? nowhere,
      weight: entry.integer('weight', 0, 2_147_483_647) ?? 0,
      headers: readHeaderOperations(entry),
    })),
    redirect: reader.object('redirect', readRedirect),
    directResponse: reader.object('directResponse', (response) => ({
      status: response.integer('status', 200, 599) ?? 200,
      ...(response.object('body', (body) => ({ body: body.string('string'), bytes: body.string('bytes') })) ?? {
        body: undefined,
        bytes: undefined,
      }),
    })),
    delegate: reader.object('delegate', (delegate) => ({
      name: delegate.requiredString('name'),
      namespace: delegate.string('namespace'),
    })),
    rewrite: reader.object('rewrite', (rewrite) => ({
      uri: rewrite.string('uri'),
      authority: rewrite.string('authority'),
      regex: rewrite.object('uriRegexRewrite', (regex) => ({
        match: regex.string('match') ?? '',
        rewrite: regex.string('rewrite') ?? '',
      })),
    })),
    timeoutMs: readDuration(reader, 'timeout'),
    retries: readRetries(reader),
    fault: readFault(reader),
    mirrors: [
      ...(single === undefined ? [] : [{ destination: single, percent }]),
      ...reader.objects('mirrors', (mirror) => ({
        destination: mirror.requiredObject('destination', readDestination) ?? nowhere,
        percent: mirror.object('percentage', (body) => body.number('value', 0, 100)),
      })),
    ],
    cors: readCorsPolicy(reader),
    headers: readHeaderOperations(reader),
  };
}

const nowhere: RouteDestination = { host: '', subset: undefined, port: undefined };

function readDestination(reader: ObjectReader): RouteDestination {
  return {
    host: reader.requiredString('host'),
    subset: reader.string('subset'),
    port: reader.object('port', (port) => port.port('number')),
  };
}

function readMatch(reader: ObjectReader): HttpMatchRequest {
  return {
    name: reader.string('name'),
    statPrefix: reader.string('statPrefix'),
    uri: readText(reader, 'uri'),
    scheme: readText(reader, 'scheme'),
    method: readText(reader, 'method'),
    authority: readText(reader, 'authority'),
    headers: readTextMap(reader, 'headers'),
    withoutHeaders: readTextMap(reader, 'withoutHeaders'),
    queryParams: readTextMap(reader, 'queryParams'),
    ignoreUriCase: reader.boolean('ignoreUriCase') ?? false,
    port: reader.port('port'),
    hasSourceLabels: Object.keys(reader.stringMap('sourceLabels')).length > 0,
    sourceNamespace: reader.string('sourceNamespace'),
    gateways: reader.strings('gateways'),
  };
}

function readRedirect(reader: ObjectReader): HttpRedirectSpec {
  return {
    uri: reader.string('uri'),
    prefixRewrite: reader.string('prefixRewrite'),
    authority: reader.string('authority'),
    port: reader.port('port'),
    derivePort: reader.string('derivePort'),
    scheme: reader.string('scheme'),
    code: reader.integer('redirectCode', 0, 999),
  };
}

function readStreamRule(reader: ObjectReader): StreamRule {
  return {
    matches: reader.objects('match', (match) => ({
      sniHosts: match.strings('sniHosts'),
      port: match.port('port'),
      gateways: match.strings('gateways'),
      hasSourceLabels: Object.keys(match.stringMap('sourceLabels')).length > 0,
      sourceNamespace: match.string('sourceNamespace'),
      hasSubnets: match.strings('destinationSubnets').length > 0 || match.string('sourceSubnet') !== undefined,
    })),
    destinations: reader.objects('route', (entry) => ({
      destination: entry.requiredObject('destination', readDestination) ?? nowhere,
      weight: entry.integer('weight', 0, 2_147_483_647) ?? 0,
    })),
  };
}
