import type { ObjectReader } from '../object-reader.ts';
import { type BackendObject, maxWeight, readBackendObject } from './backend-ref.ts';
import { readFilters, type RouteFilter } from './route-filter.ts';

/** A backend with its share and the filters that act when it is chosen. */
export interface RouteBackend extends BackendObject {
  readonly weight: number;
  readonly filters: readonly RouteFilter[];
}

/** Reads `backendRefs` with weights and filters. */
export function readBackends(rule: ObjectReader): readonly RouteBackend[] {
  return rule.objects('backendRefs', (backend) => ({
    ...readBackendObject(backend),
    weight: backend.integer('weight', 0, maxWeight) ?? 1,
    filters: readFilters(backend),
  }));
}
