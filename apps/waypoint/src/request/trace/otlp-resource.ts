/** What OTLP says of the process that tells. */
import type { trace as messages } from '@ambit/api';
import type { LogConstants } from '@ambit/telemetry';
import type { MessageInitShape } from '@bufbuild/protobuf';

export type Attribute = MessageInitShape<typeof messages.KeyValueSchema>;

/** The proxy, as collectors know it. */
export interface OtlpProducer {
  /** `<service account>.<namespace>` of the proxy. */
  readonly serviceName: string;
  readonly clusterId: string;
  readonly podName: string;
  readonly constants: LogConstants;
}

export function textAttribute(key: string, value: string): Attribute {
  return { key, value: { value: { case: 'stringValue', value } } };
}

/** `readsEnvironment`: with the attributes that the environment has, which count over the others. Spec: OpenTelemetry, resource SDK. */
export function resourceAttributes(producer: OtlpProducer, readsEnvironment: boolean): readonly Attribute[] {
  const { serviceName, clusterId, podName, constants } = producer;
  const own = new Map([
    ['service.name', serviceName],
    ['k8s.cluster.name', clusterId],
    ['k8s.pod.name', podName],
  ]);
  const written = readsEnvironment ? (constants.environment('OTEL_RESOURCE_ATTRIBUTES') ?? '') : '';
  for (const pair of written.split(',')) {
    const at = pair.indexOf('=');
    if (at > 0) own.set(pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim()));
  }
  return [...own].map(([key, value]) => textAttribute(key, value));
}

/** Values are percent-encoded; one that is not stands as it is. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
