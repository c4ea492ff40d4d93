import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readConditions, type StatusCondition } from './status-condition.ts';

/** A class of gateways: who implements it, and defaults in its labels and annotations. */
export interface GatewayClass extends ResourceBase<'GatewayClass'> {
  readonly spec: { readonly controllerName: string };
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

export function readGatewayClass(reader: ObjectReader, metadata: ObjectMeta, origin: Location): GatewayClass {
  const spec = reader.requiredObject('spec', (body) => {
    body.ignore('description', 'parametersRef');
    return { controllerName: body.requiredString('controllerName') };
  });
  return {
    kind: 'GatewayClass',
    metadata,
    origin,
    spec: spec ?? { controllerName: '' },
    status: { conditions: readConditions(reader, 'supportedFeatures') },
  };
}
