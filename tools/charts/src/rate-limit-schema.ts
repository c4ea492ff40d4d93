/** Specification of RateLimitPolicy, Ambit's own kind. */
import { attachment } from './attachment-schemas.ts';
import { count, flag, list, oneOf, port, record, text, texts, time, type Schema } from './schema.ts';

const filled: Schema = { type: 'string', minLength: 1 };
const positive: Schema = { ...count, minimum: 1, maximum: 1_000_000_000 };

const limit = record(
  {
    name: { type: 'string', minLength: 1, maxLength: 63 },
    requests: positive,
    interval: time,
    burst: positive,
    per: list(oneOf('ClientAddress', 'SourcePrincipal', 'SourceNamespace', 'Route', 'Host', 'Method', 'Path'), 8),
    perHeaders: texts,
    perClaims: texts,
    scope: oneOf('Local', 'Global'),
    dryRun: flag,
  },
  { required: ['requests'] },
);

export const rateLimitPolicy: Schema = record(
  {
    targetRefs: attachment['targetRefs'] ?? text,
    limits: { ...list(limit, 16), minItems: 1 },
    service: record(
      {
        name: filled,
        namespace: text,
        port,
        domain: text,
        timeout: time,
        onFailure: oneOf('Allow', 'Refuse'),
      },
      { required: ['name', 'port'] },
    ),
    tellClients: flag,
  },
  {
    required: ['targetRefs', 'limits'],
    rules: [
      {
        rule: "has(self.service) || !self.limits.exists(limit, has(limit.scope) && limit.scope == 'Global')",
        message: 'limits of scope Global need a service that counts',
      },
    ],
  },
);
