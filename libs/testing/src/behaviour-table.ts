/**
 * Tables of behaviour: resources as users write them, requests, and what becomes of those. One file, three readers: the control
 * plane derives messages from the resources (golden), a waypoint's request path decides by those messages, and a lab does
 * it all with real processes. Files: `testdata/behaviour/*.yaml`.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { TokenText } from './token-mint.ts';

/** Namespace of all services and resources of tables. */
export const behaviourNamespace = 'proof';

/** Where the derived messages of tables are kept. */
export const behaviourFolder: string = join(import.meta.dirname, '../testdata/behaviour');

/** A request; what is left out is the runner's own choice. */
export interface BehaviourRequest {
  /** Method and target with one blank between. Holds `${token}` where a token goes. */
  readonly do: string;
  /** Identity of the client: `account` of namespace proof, `namespace/account`, `domain/ns/x/sa/y`, or `nobody`. */
  readonly as?: string;
  /** Address of the client, as the tunnel proves it. */
  readonly from?: string;
  readonly host?: string;
  readonly port?: number;
  /** One value, or several fields of one name. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly protocol?: 'HTTP/1.1' | 'HTTP/2';
  /** What the backend must get: headers by lower-case name, `:path`, `:authority`; null for what it must not get. */
  readonly sees?: Readonly<Record<string, string | null>>;
  /** Response code details of the access log. */
  readonly details?: string;
  /** Body of the answer. */
  readonly body?: string;
}

/** One service of its own with what is said about it, and requests by what becomes of them. */
export interface BehaviourEntry {
  /** Also the name of the service. */
  readonly name: string;
  readonly resources: readonly Readonly<Record<string, object>>[];
  readonly ports?: readonly object[];
  /** By outcome: a status code for most tables. */
  readonly decisions: Readonly<Record<string, readonly (string | BehaviourRequest)[]>>;
}

export interface BehaviourTable {
  /** File without its ending. */
  readonly name: string;
  /** Laid over the control plane's default settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** By the name that requests use. */
  readonly tokens?: Readonly<Record<string, TokenText>>;
  readonly entries: readonly BehaviourEntry[];
}

/** Every table whose name begins so, in order of names. */
export function behaviourTables(prefix: string): readonly BehaviourTable[] {
  return globSync(`${prefix}*.yaml`, { cwd: behaviourFolder })
    .filter((file) => !file.endsWith('.derived.yaml'))
    .toSorted()
    .map((file) => ({ ...parse(readFileSync(join(behaviourFolder, file), 'utf8')), name: basename(file, '.yaml') }));
}

/** The derived messages of a table, as the control plane's golden test wrote them. */
export function derivedFile(table: Pick<BehaviourTable, 'name'>): string {
  return join(behaviourFolder, `${table.name}.derived.yaml`);
}

export const hostOfEntry = (name: string): string => `${name}.${behaviourNamespace}.svc.cluster.local`;

const apiVersions: Readonly<Record<string, string>> = {
  AuthorizationPolicy: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  VirtualService: 'networking.istio.io/v1',
  DestinationRule: 'networking.istio.io/v1',
  HTTPRoute: 'gateway.networking.k8s.io/v1',
};

export interface ManifestOptions {
  /** What stands for `${name}` in resources; without it they stay. */
  readonly fill?: (name: string) => string;
  /** Where the waypoint is, if nobody is going to deploy it. */
  readonly waypointAddress?: string;
}

/** Namespace, waypoint, services and resources of a table as manifests. */
export function manifestsOf(table: BehaviourTable, { fill, waypointAddress }: ManifestOptions = {}): string {
  const namespace = behaviourNamespace;
  const common = [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { 'istio.io/dataplane-mode': 'ambient' } },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { namespace, name: 'waypoint' },
      spec: { gatewayClassName: 'ambit-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
      ...(waypointAddress === undefined
        ? {}
        : { status: { addresses: [{ type: 'IPAddress', value: waypointAddress }] } }),
    },
  ];
  const documents = [
    ...common,
    ...table.entries.flatMap((entry, index) => [
      serviceOf(entry, waypointAddress === undefined ? undefined : index),
      ...objectsOf(entry),
    ]),
  ];
  const filled = fill === undefined ? documents : documents.map((document) => substituteIn(document, fill));
  return filled.map((one) => stringify(one, { aliasDuplicateObjects: false, lineWidth: 0 })).join('---\n');
}

/** Replaces each `${name}` of a text. */
export function substitute(text: string, fill: (name: string) => string): string {
  return text.replaceAll(/\$\{([a-z0-9:,-]+)\}/g, (_, name: string) => fill(name));
}

/** The same in every text of a value. */
export function substituteIn(value: unknown, fill: (name: string) => string): unknown {
  if (typeof value === 'string') return substitute(value, fill);
  if (Array.isArray(value)) return value.map((one) => substituteIn(one, fill));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, substituteIn(one, fill)]));
}

/** Requests of an outcome, all in their long form. Short: `GET /x | as=web/app | from=10.0.0.1 | x-team=blue`. */
export function requestsOf(list: readonly (string | BehaviourRequest)[]): readonly BehaviourRequest[] {
  return list.map((one) => (typeof one === 'string' ? longForm(one) : one));
}

function longForm(text: string): BehaviourRequest {
  const [line = '', ...parts] = text.split(' | ');
  const headers: Record<string, string | readonly string[]> = {};
  let request: BehaviourRequest = { do: line, headers };
  for (const part of parts) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals);
    const value = part.slice(equals + 1);
    if (name === 'sees') request = { ...request, sees: { ':path': value } };
    else if (name === 'port') request = { ...request, port: Number(value) };
    else if (name === 'as' || name === 'from' || name === 'host' || name === 'body' || name === 'details') {
      request = { ...request, [name]: value };
    } else if (name === 'protocol') {
      request = { ...request, protocol: value === 'HTTP/2' ? 'HTTP/2' : 'HTTP/1.1' };
    } else {
      const known = headers[name];
      headers[name] = known === undefined ? value : [...[known].flat(), value];
    }
  }
  return request;
}

/** `index`: gives it an address, for want of somebody else who does. */
function serviceOf(
  { name, ports = [{ name: 'http', port: 80, targetPort: 8080 }] }: BehaviourEntry,
  index: number | undefined,
): object {
  const address =
    index === undefined ? {} : { clusterIP: `10.96.${16 + Math.floor(index / 200)}.${1 + (index % 200)}` };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: behaviourNamespace, name, labels: { 'istio.io/use-waypoint': 'waypoint' } },
    spec: { ...address, selector: { app: 'behaviour' }, ports },
  };
}

/** `{ Kind: spec }` becomes an object for the entry's service; `metadata` beside it is laid over. */
function objectsOf({ name, resources }: BehaviourEntry): readonly object[] {
  return resources.flatMap(({ metadata, ...kinds }, index) =>
    Object.entries(kinds).map(([kind, spec]) => ({
      apiVersion: apiVersions[kind],
      kind,
      metadata: { namespace: behaviourNamespace, name: `${name}-${index}`, ...metadata },
      spec: { ...attachmentOf(kind, name), ...spec },
    })),
  );
}

function attachmentOf(kind: string, service: string): object {
  switch (kind) {
    case 'VirtualService':
      return { hosts: [hostOfEntry(service)] };
    case 'DestinationRule':
      return { host: hostOfEntry(service) };
    case 'HTTPRoute':
      return { parentRefs: [{ group: '', kind: 'Service', name: service, port: 80 }] };
    default:
      return { targetRefs: [{ group: '', kind: 'Service', name: service }] };
  }
}
