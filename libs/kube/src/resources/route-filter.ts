import type { ObjectReader } from '../object-reader.ts';
import { type BackendObject, readBackendObject } from './backend-ref.ts';

/** Changes of header fields; names as written. */
export interface HeaderChanges {
  readonly set: readonly NamedValue[];
  readonly add: readonly NamedValue[];
  readonly remove: readonly string[];
}

export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

/** `ReplaceFullPath` or `ReplacePrefixMatch`. */
export interface PathModifier {
  readonly type: string;
  readonly value: string;
}

export interface CorsRule {
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly allowCredentials: boolean;
  /** Seconds. */
  readonly maxAge: number | undefined;
}

/** A filter of a route or backend. Types that are not known here are kept by name: they make a rule unusable. */
export type RouteFilter =
  | { readonly kind: 'RequestHeaderModifier' | 'ResponseHeaderModifier'; readonly changes: HeaderChanges }
  | {
      readonly kind: 'RequestRedirect';
      readonly scheme: string | undefined;
      readonly hostname: string | undefined;
      readonly path: PathModifier | undefined;
      readonly port: number | undefined;
      readonly statusCode: number | undefined;
    }
  | { readonly kind: 'URLRewrite'; readonly hostname: string | undefined; readonly path: PathModifier | undefined }
  | { readonly kind: 'RequestMirror'; readonly backend: BackendObject; readonly perMillion: number }
  | { readonly kind: 'CORS'; readonly cors: CorsRule }
  | { readonly kind: 'unknown'; readonly type: string };

/** Reads a list of filters. */
export function readFilters(reader: ObjectReader): readonly RouteFilter[] {
  return reader.objects('filters', readFilter);
}

const fieldOf: Readonly<Record<string, string>> = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  RequestMirror: 'requestMirror',
  CORS: 'cors',
};

function readFilter(reader: ObjectReader): RouteFilter {
  const type = reader.requiredString('type');
  reader.ignore('extensionRef', 'externalAuth', ...Object.values(fieldOf));
  switch (type) {
    case 'RequestHeaderModifier':
    case 'ResponseHeaderModifier': {
      const field = type === 'RequestHeaderModifier' ? 'requestHeaderModifier' : 'responseHeaderModifier';
      return { kind: type, changes: reader.requiredObject(field, readChanges) ?? { set: [], add: [], remove: [] } };
    }
    case 'RequestRedirect': {
      const redirect = reader.requiredObject('requestRedirect', (body) => ({
        scheme: body.string('scheme'),
        hostname: body.string('hostname'),
        path: body.object('path', readPathModifier),
        port: body.port('port'),
        statusCode: body.integer('statusCode', 300, 399),
      }));
      const none = { scheme: undefined, hostname: undefined, path: undefined, port: undefined, statusCode: undefined };
      return { kind: type, ...(redirect ?? none) };
    }
    case 'URLRewrite': {
      const rewrite = reader.requiredObject('urlRewrite', (body) => ({
        hostname: body.string('hostname'),
        path: body.object('path', readPathModifier),
      }));
      return { kind: type, ...(rewrite ?? { hostname: undefined, path: undefined }) };
    }
    case 'RequestMirror':
      return (
        reader.requiredObject('requestMirror', (body) => ({
          kind: type,
          backend: body.requiredObject('backendRef', readBackendObject) ?? readBackendObject(body),
          perMillion: readShare(body),
        })) ?? { kind: 'unknown', type }
      );
    case 'CORS':
      return { kind: type, cors: reader.requiredObject('cors', readCors) ?? noCors };
    default:
      return { kind: 'unknown', type };
  }
}

function readChanges(reader: ObjectReader): HeaderChanges {
  return { set: readNamed(reader, 'set'), add: readNamed(reader, 'add'), remove: reader.strings('remove') };
}

function readNamed(reader: ObjectReader, field: string): readonly NamedValue[] {
  return reader.objects(field, (entry) => ({
    name: entry.requiredString('name'),
    value: entry.string('value') ?? '',
  }));
}

function readPathModifier(reader: ObjectReader): PathModifier {
  const type = reader.requiredString('type');
  const full = reader.string('replaceFullPath');
  const prefix = reader.string('replacePrefixMatch');
  return { type, value: (type === 'ReplaceFullPath' ? full : prefix) ?? '' };
}

/** `percent` or `fraction`; neither is everything. */
function readShare(reader: ObjectReader): number {
  const percent = reader.integer('percent', 0, 100);
  const fraction = reader.object('fraction', (body) => {
    const numerator = body.integer('numerator', 0, 2_147_483_647) ?? 0;
    const denominator = body.integer('denominator', 1, 2_147_483_647) ?? 100;
    return Math.min(1, numerator / denominator);
  });
  if (percent !== undefined) return percent * 10_000;
  return fraction === undefined ? 1_000_000 : Math.round(fraction * 1_000_000);
}

const noCors: CorsRule = {
  allowOrigins: [],
  allowMethods: [],
  allowHeaders: [],
  exposeHeaders: [],
  allowCredentials: false,
  maxAge: undefined,
};

function readCors(reader: ObjectReader): CorsRule {
  return {
    allowOrigins: reader.strings('allowOrigins'),
    allowMethods: reader.strings('allowMethods'),
    allowHeaders: reader.strings('allowHeaders'),
    exposeHeaders: reader.strings('exposeHeaders'),
    allowCredentials: reader.boolean('allowCredentials') ?? false,
    maxAge: reader.integer('maxAge', 1, 2_147_483_647),
  };
}
