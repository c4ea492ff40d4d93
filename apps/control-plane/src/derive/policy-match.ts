import { security } from '@ambit/api';
import type { AttributeValues } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { parsePrefix } from './ip-prefix.ts';

/** `*` any non-empty, `*x` suffix, `x*` prefix, else exact. Spec: control-plane.md section 5.1. */
export function stringMatch(text: string): security.StringMatch {
  if (text === '*') return create(security.StringMatchSchema, { matchType: { case: 'presence', value: {} } });
  if (text.startsWith('*'))
    return create(security.StringMatchSchema, { matchType: { case: 'suffix', value: text.slice(1) } });
  if (text.endsWith('*')) {
    return create(security.StringMatchSchema, { matchType: { case: 'prefix', value: text.slice(0, -1) } });
  }
  return create(security.StringMatchSchema, { matchType: { case: 'exact', value: text } });
}

/** Attributes that ztunnel can check, by the names of `from.source`, `to.operation` and `when`. */
const fieldByAttribute = {
  principals: 'principals',
  namespaces: 'namespaces',
  ipBlocks: 'sourceIps',
  serviceAccounts: 'serviceAccounts',
  ports: 'destinationPorts',
  'source.principal': 'principals',
  'source.namespace': 'namespaces',
  'source.ip': 'sourceIps',
  'destination.ip': 'destinationIps',
  'destination.port': 'destinationPorts',
} as const;

type Attribute = keyof typeof fieldByAttribute;

/** True for attributes ztunnel can check. */
export function isL4Attribute(name: string): name is Attribute {
  return Object.hasOwn(fieldByAttribute, name);
}

/** Writes one attribute into a match. Values that cannot be parsed are dropped. */
export function addAttribute(match: security.Match, attribute: AttributeValues<string>, namespace: string): void {
  if (!isL4Attribute(attribute.field)) return;
  const { values, notValues } = attribute;
  switch (fieldByAttribute[attribute.field]) {
    case 'principals':
      match.principals.push(...values.map(stringMatch));
      match.notPrincipals.push(...notValues.map(stringMatch));
      return;
    case 'namespaces':
      match.namespaces.push(...values.map(stringMatch));
      match.notNamespaces.push(...notValues.map(stringMatch));
      return;
    case 'sourceIps':
      match.sourceIps.push(...values.flatMap(address));
      match.notSourceIps.push(...notValues.flatMap(address));
      return;
    case 'destinationIps':
      match.destinationIps.push(...values.flatMap(address));
      match.notDestinationIps.push(...notValues.flatMap(address));
      return;
    case 'destinationPorts':
      match.destinationPorts.push(...values.flatMap(port));
      match.notDestinationPorts.push(...notValues.flatMap(port));
      return;
    case 'serviceAccounts':
      match.serviceAccounts.push(...values.map((value) => serviceAccount(value, namespace)));
      match.notServiceAccounts.push(...notValues.map((value) => serviceAccount(value, namespace)));
      return;
  }
}

/** True when less of an attribute can be checked than is written: without it the rest of its match would let more in. */
export function isBroadened({ field, values, notValues }: AttributeValues<string>): boolean {
  if (!isL4Attribute(field)) return false;
  const isUsable = usableBy.get(fieldByAttribute[field]);
  if (isUsable === undefined) return false;
  return (values.length > 0 && !values.some(isUsable)) || !notValues.every(isUsable);
}

const isAddress = (text: string): boolean => address(text).length > 0;
const usableBy: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['sourceIps', isAddress],
  ['destinationIps', isAddress],
  ['destinationPorts', (text) => port(text).length > 0],
]);

/** True for a match without any field, which ztunnel never finds true. */
export function isEmptyMatch(match: security.Match): boolean {
  return Object.values(match).every((value) => !Array.isArray(value) || value.length === 0);
}

function address(text: string): security.Address[] {
  const prefix = parsePrefix(text);
  return prefix === undefined ? [] : [create(security.AddressSchema, { address: prefix.bytes, length: prefix.length })];
}

function port(text: string): number[] {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? [Number(text)] : [];
}

function serviceAccount(text: string, namespace: string): security.ServiceAccountMatch {
  const slash = text.indexOf('/');
  return create(security.ServiceAccountMatchSchema, {
    namespace: slash < 0 ? namespace : text.slice(0, slash),
    serviceAccount: text.slice(slash + 1),
  });
}
