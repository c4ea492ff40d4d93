/** One attribute with its values, compiled; or why it cannot be used. Spec: contract l7 4.3. */
import { parseCidr } from '@ambit/net';

import { type IpPrefix, ipPrefix } from '../ip-prefix.ts';
import { Glob } from './glob.ts';
import type { AttributeTest } from './http-policy.ts';
import { isPathTemplate, PathTemplate } from './path-template.ts';
import { TextValues } from './text-values.ts';
import { TokenPrincipals } from './token-principal.ts';

/** What the meaning of a value depends on. */
export interface AttributeScope {
  readonly protocol: 'http' | 'tcp';
  /** The mesh's own trust domain first, then its aliases. */
  readonly trustDomains: readonly string[];
  readonly policyNamespace: string;
}

/** Compiles the values of a field or key; a sentence if one of them, or the field itself, cannot be used. */
export function attributeTest(field: string, values: readonly string[], scope: AttributeScope): AttributeTest | string {
  if (values.includes('')) return 'a value is empty';
  const compile = attributes.get(field);
  if (compile !== undefined) {
    return compile.isHttp && scope.protocol === 'tcp' ? 'only HTTP has this attribute' : compile.of(values, scope);
  }
  const bracketed = bracketedTest(field, values);
  if (bracketed === undefined) return 'unknown attribute';
  return scope.protocol === 'tcp' ? 'only HTTP has this attribute' : bracketed;
}

interface AttributeCompiler {
  readonly isHttp: boolean;
  of(values: readonly string[], scope: AttributeScope): AttributeTest | string;
}

const attributes: ReadonlyMap<string, AttributeCompiler> = attributeTable();

/** Fields of `source` and `operation`, and the keys of `when` that mean the same. */
function attributeTable(): ReadonlyMap<string, AttributeCompiler> {
  const table = new Map<string, AttributeCompiler>();
  const add = (names: readonly string[], isHttp: boolean, of: AttributeCompiler['of']): void => {
    for (const name of names) table.set(name, { isHttp, of });
  };
  add(['principals', 'source.principal'], false, (values, scope) => ({
    kind: 'principal',
    values: new TextValues(values.flatMap((value) => withAliases(value, scope.trustDomains))),
  }));
  add(['namespaces', 'source.namespace'], false, (values) => ({ kind: 'namespace', globs: values.map(toGlob) }));
  add(['serviceAccounts', 'source.serviceAccount'], false, (values, scope) => ({
    kind: 'serviceAccount',
    accounts: new Set(values.map((value) => (value.includes('/') ? value : `${scope.policyNamespace}/${value}`))),
  }));
  add(['trustDomains', 'source.trustDomain'], false, (values, scope) => ({
    kind: 'trustDomain',
    globs: values.flatMap((value) => (scope.trustDomains.includes(value) ? scope.trustDomains : [value])).map(toGlob),
  }));
  add(['ipBlocks', 'source.ip'], false, (values) => prefixTest('sourceIp', values));
  add(['remoteIpBlocks', 'remote.ip'], false, (values) => prefixTest('remoteIp', values));
  add(['destination.ip'], false, (values) => prefixTest('destinationIp', values));
  add(['ports', 'destination.port'], false, portTest);
  add(['connection.sni'], false, (values) => ({ kind: 'serverName', values: new TextValues(values) }));
  add(['requestPrincipals', 'request.auth.principal'], true, (values) => ({
    kind: 'requestPrincipal',
    principals: new TokenPrincipals(values),
  }));
  add(['request.auth.audiences'], true, (values) => ({ kind: 'audience', values: new TextValues(values) }));
  add(['request.auth.presenter'], true, (values) => ({ kind: 'presenter', values: new TextValues(values) }));
  add(['hosts'], true, (values) => ({ kind: 'host', values: new TextValues(values, true) }));
  add(['methods'], true, (values) => ({ kind: 'method', values: new TextValues(values) }));
  add(['paths'], true, pathTest);
  return table;
}

/** Names of HTTP, and what HTTP/2 has as pseudo headers. */
const headerKey = /^request\.headers\[(:(?:authority|method|path|scheme)|[!#$%&'*+.^_`|~0-9A-Za-z-]+)\]$/;
const claimKey = /^request\.auth\.claims((?:\[[^[\]]+\])+)$/;

function bracketedTest(key: string, values: readonly string[]): AttributeTest | undefined {
  const header = headerKey.exec(key)?.[1];
  if (header !== undefined) return { kind: 'header', name: header.toLowerCase(), values: new TextValues(values) };
  const claims = claimKey.exec(key)?.[1];
  if (claims !== undefined) {
    return { kind: 'claim', path: claims.slice(1, -1).split(']['), values: new TextValues(values) };
  }
  return undefined;
}

function prefixTest(
  kind: 'sourceIp' | 'remoteIp' | 'destinationIp',
  values: readonly string[],
): AttributeTest | string {
  const prefixes: IpPrefix[] = [];
  for (const value of values) {
    const cidr = parseCidr(value);
    const prefix = cidr === undefined ? undefined : ipPrefix(cidr.first, cidr.prefixLength);
    if (prefix === undefined) return `${value} is neither an address nor a CIDR block`;
    prefixes.push(prefix);
  }
  return { kind, prefixes };
}

function portTest(values: readonly string[]): AttributeTest | string {
  const ports = new Set<number>();
  for (const value of values) {
    const port = Number(value);
    if (!/^[0-9]{1,5}$/.test(value) || port > 65_535) return `${value} is no port`;
    ports.add(port);
  }
  return { kind: 'destinationPort', ports };
}

function pathTest(values: readonly string[]): AttributeTest | string {
  const templates: PathTemplate[] = [];
  const plain: string[] = [];
  for (const value of values) {
    if (!isPathTemplate(value)) {
      plain.push(value);
      continue;
    }
    const template = PathTemplate.parse(value);
    if (template === undefined) return `${value} is no legal path template`;
    templates.push(template);
  }
  return { kind: 'path', values: new TextValues(plain), templates };
}

function toGlob(value: string): Glob {
  return new Glob(value);
}

/**
 * `<trust domain>/ns/<namespace>/sa/<account>` once for each trust domain of the mesh, if it names one of them or
 * `cluster.local`, which stands for all. Other values stay. Istio: trust domain aliases.
 */
function withAliases(value: string, trustDomains: readonly string[]): readonly string[] {
  const parts = value.split('/');
  const [domain] = parts;
  if (parts.length !== 5 || domain === undefined || domain === '*') return [value];
  const isOurs = trustDomains.some(
    (ours) => ours === domain || (domain.startsWith('*') && ours.endsWith(domain.slice(1))),
  );
  if (!isOurs && domain !== 'cluster.local') return [value];
  const rest = parts.slice(1).join('/');
  return [
    ...new Set(
      trustDomains.map((ours) =>
        domain.startsWith('*') && ours.endsWith(domain.slice(1)) ? value : `${ours}/${rest}`,
      ),
    ),
  ];
}
