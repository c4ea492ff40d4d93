/** Specifications of the kinds of `security.istio.io`. Source: https://istio.io/latest/docs/reference/config/security/ */
import { ONE_ATTACHMENT, attachment } from './attachment-schemas.ts';
import { choice, flag, list, map, oneOf, record, text, texts, time, type Schema } from './schema.ts';

/** Each list with the one that excludes. */
function withOpposites(names: readonly string[], schema: Schema): Record<string, Schema> {
  const opposite = (name: string): string => `not${name[0]?.toUpperCase() ?? ''}${name.slice(1)}`;
  return Object.fromEntries(names.flatMap((name) => [[name, schema] as const, [opposite(name), schema] as const]));
}

const source = record(
  {
    ...withOpposites(
      ['principals', 'requestPrincipals', 'namespaces', 'ipBlocks', 'remoteIpBlocks', 'trustDomains'],
      texts,
    ),
    ...withOpposites(['serviceAccounts'], list({ type: 'string', maxLength: 320 }, 16)),
  },
  {
    rules: [
      {
        rule: '(has(self.serviceAccounts) || has(self.notServiceAccounts)) ? !(has(self.principals) || has(self.notPrincipals) || has(self.namespaces) || has(self.notNamespaces)) : true',
        message: 'serviceAccounts cannot be combined with principals or namespaces',
      },
    ],
  },
);

const rule = record({
  from: list(record({ source }), 512),
  to: list(record({ operation: record(withOpposites(['hosts', 'ports', 'methods', 'paths'], texts)) })),
  when: list(record({ key: text, values: texts, notValues: texts }, { required: ['key'] })),
});

export const authorizationPolicy: Schema = record(
  {
    ...attachment,
    action: oneOf('ALLOW', 'DENY', 'AUDIT', 'CUSTOM'),
    provider: record({ name: text }),
    rules: list(rule, 512),
  },
  { rules: [ONE_ATTACHMENT] },
);

const mutualTls = record({ mode: oneOf('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT') });

export const peerAuthentication: Schema = record(
  {
    selector: attachment['selector'] ?? text,
    mtls: mutualTls,
    portLevelMtls: {
      ...map(mutualTls, 256),
      'x-kubernetes-validations': [
        { rule: 'self.all(key, 0 < int(key) && int(key) <= 65535)', message: 'ports are numbers from 1 to 65535' },
      ],
    },
  },
  {
    rules: [
      {
        rule: 'has(self.portLevelMtls) ? has(self.selector) && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0 : true',
        message: 'portLevelMtls needs a selector',
      },
    ],
  },
);

const filled: Schema = { type: 'string', minLength: 1 };
const url: Schema = {
  type: 'string',
  minLength: 1,
  maxLength: 2048,
  'x-kubernetes-validations': [
    { rule: "isURL(self) && url(self).getScheme() in ['http', 'https']", message: 'must be an http or https URL' },
  ],
};

const jwtRule = choice(
  {
    issuer: filled,
    audiences: list(filled),
    jwksUri: url,
    jwks_uri: url,
    jwks: text,
    fromHeaders: list(record({ name: filled, prefix: text }, { required: ['name'] })),
    fromParams: list(filled),
    fromCookies: list(filled),
    forwardOriginalToken: flag,
    outputPayloadToHeader: text,
    outputClaimToHeaders: list(record({ header: filled, claim: filled }, { required: ['header', 'claim'] })),
    spaceDelimitedClaims: list(filled, 64),
    timeout: time,
  },
  ['jwksUri', 'jwks_uri', 'jwks'],
);

export const requestAuthentication: Schema = record(
  { ...attachment, jwtRules: list(jwtRule, 256) },
  { rules: [ONE_ATTACHMENT] },
);
