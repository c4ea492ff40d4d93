/** Policies of a static configuration, in the words of the admin dump. Pure. */
import { security } from '@ambit/api';
import { parseIp } from '@ambit/net';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { problem, YamlRecord } from './yaml-record.ts';

const SCOPES = {
  Global: security.Scope.GLOBAL,
  Namespace: security.Scope.NAMESPACE,
  WorkloadSelector: security.Scope.WORKLOAD_SELECTOR,
};
const ACTIONS = { Allow: security.Action.ALLOW, Deny: security.Action.DENY };

type PolicyInit = MessageInitShape<typeof security.AuthorizationSchema> & {
  readonly name: string;
  readonly namespace: string;
};
type MatchInit = MessageInitShape<typeof security.MatchSchema>;
type StringInit = MessageInitShape<typeof security.StringMatchSchema>;

/** Throws AmbitError `BAD_LOCAL_XDS`. */
export function localPolicy(record: YamlRecord): PolicyInit {
  const policy = {
    name: record.text('name'),
    namespace: record.text('namespace', ''),
    scope: record.choice('scope', SCOPES, 'Global'),
    action: record.choice('action', ACTIONS, 'Allow'),
    dryRun: record.flag('dryRun'),
    rules: record.list('rules').map((rule) => ({
      clauses: listOf(rule, 'rules').map((clause) => ({ matches: listOf(clause, 'clauses').map(readMatch) })),
    })),
  };
  record.end();
  return policy;
}

function listOf(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw problem(path, 'expected a list');
  return value;
}

function readMatch(value: unknown): MatchInit {
  const record = new YamlRecord(value, 'match.');
  const strings = (key: string): StringInit[] => record.list(key).map((item) => readString(item, key));
  const prefixes = (key: string): { readonly address: Uint8Array; readonly length: number }[] =>
    record.texts(key).map(readPrefix);
  const ports = (key: string): number[] =>
    record.list(key).map((port) => {
      if (typeof port !== 'number' || !Number.isInteger(port)) throw problem(key, 'expected port numbers');
      return port;
    });
  const match = {
    namespaces: strings('namespaces'),
    notNamespaces: strings('notNamespaces'),
    principals: strings('principals'),
    notPrincipals: strings('notPrincipals'),
    sourceIps: prefixes('sourceIps'),
    notSourceIps: prefixes('notSourceIps'),
    destinationIps: prefixes('destinationIps'),
    notDestinationIps: prefixes('notDestinationIps'),
    destinationPorts: ports('destinationPorts'),
    notDestinationPorts: ports('notDestinationPorts'),
  };
  record.end();
  return match;
}

function readString(value: unknown, key: string): StringInit {
  const record = new YamlRecord(value, `${key}.`);
  const [entry, ...rest] = record.entries();
  if (entry === undefined || rest.length > 0) throw problem(key, 'expected one of Exact, Prefix, Suffix, Presence');
  const [kind, text] = entry;
  if (kind === 'Presence') return { matchType: { case: 'presence', value: {} } };
  if (typeof text !== 'string') throw problem(key, `expected text after ${kind}`);
  if (kind === 'Exact') return { matchType: { case: 'exact', value: text } };
  if (kind === 'Prefix') return { matchType: { case: 'prefix', value: text } };
  if (kind === 'Suffix') return { matchType: { case: 'suffix', value: text } };
  throw problem(key, `unknown match ${kind}`);
}

function readPrefix(text: string): { readonly address: Uint8Array; readonly length: number } {
  const [ip = '', length] = text.split('/');
  const address = ipBytes(ip);
  return { address, length: length === undefined ? address.length * 8 : Number(length) };
}

/** 4 or 16 bytes. */
export function ipBytes(text: string): Uint8Array {
  const ip = parseIp(text);
  if (ip === undefined) throw problem('address', `not an IP address: ${text}`);
  return ip.bytes;
}
