/** A Gateway as whoever deploys it has to know it, read from the API object; more than bindings need. */
import { isPlainObject, type PlainObject } from '@ambit/kube';

export interface GatewayObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly isDeleted: boolean;
  readonly labels: Strings;
  readonly annotations: Strings;
  readonly className: string;
  readonly listeners: readonly ListenerObject[];
  /** Addresses that the user asks for. */
  readonly wantedAddresses: readonly AddressObject[];
  /** Labels and annotations for generated objects; undefined: those of the Gateway are copied. */
  readonly infrastructure: InfrastructureObject | undefined;
  readonly status: {
    readonly addresses: readonly AddressObject[];
    readonly conditions: readonly PlainObject[];
    readonly listeners: readonly PlainObject[];
  };
}

type Strings = Readonly<Record<string, string>>;

export interface ListenerObject {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

export interface AddressObject {
  readonly type: string;
  readonly value: string;
}

export interface InfrastructureObject {
  readonly labels: Strings;
  readonly annotations: Strings;
  readonly parameters: { readonly group: string; readonly kind: string; readonly name: string } | undefined;
}

/** What the API server has let in is well-formed by its schema; what is not there reads as empty. */
export function readGatewayObject(object: unknown): GatewayObject {
  const metadata = objectAt(object, 'metadata');
  const spec = objectAt(object, 'spec');
  const status = objectAt(object, 'status');
  return {
    namespace: textAt(metadata, 'namespace'),
    name: textAt(metadata, 'name'),
    uid: textAt(metadata, 'uid'),
    generation: numberAt(metadata, 'generation'),
    isDeleted: 'deletionTimestamp' in metadata,
    labels: stringsAt(metadata, 'labels'),
    annotations: stringsAt(metadata, 'annotations'),
    className: textAt(spec, 'gatewayClassName'),
    listeners: objectsAt(spec, 'listeners').map((listener) => ({
      name: textAt(listener, 'name'),
      port: numberAt(listener, 'port'),
      protocol: textAt(listener, 'protocol'),
    })),
    wantedAddresses: addressesAt(spec),
    infrastructure: 'infrastructure' in spec ? infrastructure(objectAt(spec, 'infrastructure')) : undefined,
    status: {
      addresses: addressesAt(status),
      conditions: objectsAt(status, 'conditions'),
      listeners: objectsAt(status, 'listeners'),
    },
  };
}

/** A field that is an object; an empty one if it is not. */
export function objectAt(value: unknown, key: string): PlainObject {
  const field = isPlainObject(value) ? value[key] : undefined;
  return isPlainObject(field) ? field : {};
}

export function objectsAt(value: unknown, key: string): readonly PlainObject[] {
  const field = isPlainObject(value) ? value[key] : undefined;
  return Array.isArray(field) ? field.filter(isPlainObject) : [];
}

export function textAt(value: PlainObject, key: string): string {
  const field = value[key];
  return typeof field === 'string' ? field : '';
}

function numberAt(value: PlainObject, key: string): number {
  const field = value[key];
  return typeof field === 'number' ? field : 0;
}

function stringsAt(value: PlainObject, key: string): Strings {
  return Object.fromEntries(
    Object.entries(objectAt(value, key)).flatMap(([name, text]) => (typeof text === 'string' ? [[name, text]] : [])),
  );
}

function addressesAt(value: PlainObject): readonly AddressObject[] {
  return objectsAt(value, 'addresses').map((address) => ({
    type: textAt(address, 'type') || 'IPAddress',
    value: textAt(address, 'value'),
  }));
}

function infrastructure(value: PlainObject): InfrastructureObject {
  const reference = objectAt(value, 'parametersRef');
  return {
    labels: stringsAt(value, 'labels'),
    annotations: stringsAt(value, 'annotations'),
    parameters:
      'name' in reference
        ? { group: textAt(reference, 'group'), kind: textAt(reference, 'kind'), name: textAt(reference, 'name') }
        : undefined,
  };
}
