/** Specification of Telemetry. Source: https://istio.io/latest/docs/reference/config/telemetry/ */
import { ONE_ATTACHMENT, attachment } from './attachment-schemas.ts';
import { choice, list, map, oneOf, optionalFlag, record, share, text, time, type Schema } from './schema.ts';

const filled: Schema = { type: 'string', minLength: 1 };
const mode = oneOf('CLIENT_AND_SERVER', 'CLIENT', 'SERVER');
const providers = list(record({ name: filled }, { required: ['name'] }));

const METRICS = [
  'ALL_METRICS',
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'TCP_OPENED_CONNECTIONS',
  'TCP_CLOSED_CONNECTIONS',
  'TCP_SENT_BYTES',
  'TCP_RECEIVED_BYTES',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
];

const named = record({ name: filled, defaultValue: text }, { required: ['name'] });
const fixed = record({ value: filled }, { required: ['value'] });

export const telemetry: Schema = record(
  {
    ...attachment,
    metrics: list(
      record({
        providers,
        reportingInterval: time,
        overrides: list(
          record({
            match: choice({ metric: oneOf(...METRICS), customMetric: filled, mode }, ['metric', 'customMetric']),
            disabled: optionalFlag,
            tagOverrides: map(record({ operation: oneOf('UPSERT', 'REMOVE'), value: text })),
          }),
        ),
      }),
    ),
    accessLogging: list(
      record({
        match: record({ mode }),
        providers,
        disabled: optionalFlag,
        filter: record({ expression: text }),
      }),
    ),
    tracing: list(
      record({
        match: record({ mode }),
        providers,
        randomSamplingPercentage: share,
        disableSpanReporting: optionalFlag,
        disableContextPropagation: optionalFlag,
        useRequestIdForTraceSampling: optionalFlag,
        enableIstioTags: optionalFlag,
        customTags: map(choice({ literal: fixed, environment: named, header: named, formatter: fixed })),
      }),
    ),
  },
  { rules: [ONE_ATTACHMENT] },
);
