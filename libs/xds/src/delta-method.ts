import { discovery } from '@ambit/api';
import { type MethodDefinition, methodDefinition, withByteRequests, withByteResponses } from '@ambit/grpc';

/** The delta method with requests and responses as bytes. */
export function deltaMethod(): MethodDefinition<Uint8Array, Uint8Array> {
  const { deltaAggregatedResources } = discovery.AggregatedDiscoveryService.method;
  return withByteRequests(withByteResponses(methodDefinition(deltaAggregatedResources)));
}
