import {
  isCidrOrIp,
  type AuthorizationPolicy,
  type PolicyOperation,
  type PolicySource,
  type Resource,
  type ServiceEntry,
} from '@ambit/kube';

/**
 * Mistakes that reading an object lets pass, because an object that is in the cluster already had better be in force
 * as far as it can be, but that nobody should be able to write. Istio: pkg/config/validation and pkg/config/security.
 */
export function ruleErrors(resource: Resource): readonly string[] {
  switch (resource.kind) {
    case 'AuthorizationPolicy':
      return policyErrors(resource);
    case 'ServiceEntry':
      return entryErrors(resource);
    default:
      return [];
  }
}

function policyErrors({ spec }: AuthorizationPolicy): readonly string[] {
  return spec.rules.flatMap((rule, index) => {
    const place = `spec.rules[${index}]`;
    return [
      ...rule.from.flatMap((source, at) => sourceErrors(source, `${place}.from[${at}].source`)),
      ...rule.to.flatMap((operation, at) => operationErrors(operation, `${place}.to[${at}].operation`)),
      ...[...rule.from.flat(), ...rule.to.flat(), ...rule.when].flatMap(({ field, values, notValues }) =>
        [...values, ...notValues].includes('')
          ? [`${place} has an empty value for ${field}; remove it or fill it in`]
          : [],
      ),
      ...rule.when.flatMap(({ field, values, notValues }, at) =>
        conditionErrors(field, [...values, ...notValues], `${place}.when[${at}]`),
      ),
    ];
  });
}

function operationErrors(operation: PolicyOperation, place: string): readonly string[] {
  if (operation.length === 0)
    return [`${place} must name at least one operation; to match every request leave out "to"`];
  return operation.flatMap(({ field, values, notValues }) =>
    field === 'ports' ? valueErrors('destination.port', [...values, ...notValues], `${place}.${field}`) : [],
  );
}

/** A service account is a namespace and a name already. */
function sourceErrors(source: PolicySource, place: string): readonly string[] {
  if (source.length === 0) return [`${place} must name at least one source; to match every caller leave out "from"`];
  const bad = source.flatMap(({ field, values, notValues }) =>
    field === 'ipBlocks' || field === 'remoteIpBlocks'
      ? valueErrors('source.ip', [...values, ...notValues], `${place}.${field}`)
      : [],
  );
  if (bad.length > 0) return bad;
  const fields = new Set(source.filter(({ values }) => values.length > 0).map(({ field }) => field));
  if (!fields.has('serviceAccounts') || (!fields.has('principals') && !fields.has('namespaces'))) return [];
  return [`${place} has serviceAccounts together with principals or namespaces; keep one of them`];
}

const plainKeys: ReadonlySet<string> = new Set([
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'connection.sni',
]);
const addressKeys: ReadonlySet<string> = new Set(['source.ip', 'remote.ip', 'destination.ip']);
const mapKey =
  /^(request\.headers|request\.auth\.claims|experimental\.envoy\.filters\.[\w.-]+)\[[^[\]]+\](\[[^[\]]+\])*$/;

function conditionErrors(key: string, values: readonly string[], place: string): readonly string[] {
  if (values.length === 0) return [`${place}: values or notValues is required`];
  if (addressKeys.has(key) || key === 'destination.port') return valueErrors(key, values, place);
  if (key === '' || plainKeys.has(key) || mapKey.test(key)) return [];
  const known =
    'source.ip, source.namespace, source.principal, destination.ip, destination.port, connection.sni, request.headers[...], request.auth.claims[...]';
  return [`${place}: key "${key}" is no attribute; known are ${known}`];
}

/** Values of an attribute that is an address or a port. */
function valueErrors(key: string, values: readonly string[], place: string): readonly string[] {
  if (addressKeys.has(key)) {
    const bad = values.find((value) => value !== '' && !isCidrOrIp(value));
    return bad === undefined ? [] : [`${place}: "${bad}" is neither an IP address nor a CIDR prefix`];
  }
  const bad = values.find((value) => value !== '' && (!/^\d{1,5}$/.test(value) || Number(value) > 65_535));
  return bad === undefined ? [] : [`${place}: "${bad}" is not a port number`];
}

function entryErrors({ spec }: ServiceEntry): readonly string[] {
  const errors: string[] = [];
  for (const [index, port] of spec.ports.entries()) {
    const earlier = spec.ports.slice(0, index);
    if (earlier.some(({ number }) => number === port.number))
      errors.push(`spec.ports[${index}].number ${port.number} is there already; give each port once`);
    if (earlier.some(({ name }) => name === port.name))
      errors.push(`spec.ports[${index}].name "${port.name}" is there already; names must differ`);
  }
  const { resolution } = spec;
  const isResolved = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  const wildcard = spec.hosts.find((host) => host.startsWith('*'));
  if (isResolved && spec.endpoints.length === 0 && wildcard !== undefined)
    errors.push(
      `spec.hosts holds "${wildcard}", which resolution ${resolution} cannot look up; use DYNAMIC_DNS and a waypoint`,
    );
  const range = spec.addresses.find((address) => address.includes('/') && !/\/(32|128)$/.test(address));
  if (range !== undefined && resolution !== 'NONE' && resolution !== 'STATIC')
    errors.push(`spec.addresses holds the range "${range}", which needs resolution NONE or STATIC`);
  return errors;
}
