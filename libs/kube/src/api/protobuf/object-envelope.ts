/** The envelope around each object of the API server: four bytes that say what it is, kind and version, the message. */
import type { PlainObject } from '../../object-reader.ts';
import { isPlainObject } from '../../object-reader.ts';
import { KubeError } from '../kube-error.ts';
import { kindShapes } from './kind-shapes.ts';
import { bytes, message, readMessage, shape, text } from './message-shape.ts';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

const MAGIC = Buffer.from('k8s\0');
const UNKNOWN = shape({ 1: message('typeMeta', shape({ 1: text('apiVersion'), 2: text('kind') })), 2: bytes('raw') });

/**
 * The object as its JSON form, with the fields of its kind's shape. Throws KubeError `MALFORMED`, for a kind without a shape
 * as well.
 */
export function readEnvelope(from: Uint8Array): PlainObject {
  return orMalformed(() => {
    if (!MAGIC.equals(from.subarray(0, MAGIC.length))) throw new RangeError('no object of Kubernetes');
    const { typeMeta, raw } = readMessage(from.subarray(MAGIC.length), UNKNOWN);
    const { apiVersion, kind } = isPlainObject(typeMeta) ? typeMeta : {};
    const of = typeof kind === 'string' ? kindShapes.get(kind) : undefined;
    if (of === undefined) throw new RangeError(`kind ${String(kind)} is read as JSON only`);
    return { apiVersion, kind, ...readMessage(raw instanceof Uint8Array ? raw : new Uint8Array(), of) };
  });
}

/** What `read` gives; whatever it throws becomes `MALFORMED`. */
export function orMalformed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof KubeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KubeError('MALFORMED', `the API server sent protobuf that cannot be read: ${reason}`, { cause });
  }
}
