import { isPlainObject, type PlainObject } from '../object-reader.ts';
import { type ApiRequest, ApiTransport } from './api-transport.ts';
import { type ApiKind, apiVersionOf, collectionPath, objectPath, type ObjectRef } from './api-kind.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { KubeError } from './kube-error.ts';
import { kindShapes } from './protobuf/kind-shapes.ts';
import { PROTOBUF } from './protobuf/object-envelope.ts';
import { WatchFrames } from './protobuf/watch-frames.ts';
import { WatchLines } from './watch-lines.ts';

export interface KubeClientOptions {
  /** Sent with each request; the API server's audit log and fairness queues show it. */
  readonly userAgent: string;
  /** For one request with its answer, milliseconds. Default 30,000. */
  readonly timeoutMs?: number;
}

/** Which objects of a kind. */
export interface Selection {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Only `metadata` of each object is wanted. */
  readonly metadataOnly?: boolean;
  /**
   * Only what `readResource` reads is wanted. A watch of a kind of Kubernetes' own then comes as protobuf, which costs the API
   * server a tenth of JSON, and most of it is not looked at here.
   */
  readonly meshFieldsOnly?: boolean;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** One page of a list. */
export interface ListPage {
  readonly items: readonly PlainObject[];
  readonly resourceVersion: string;
  /** Present when there is more. */
  readonly continueToken: string | undefined;
}

export interface ListOptions extends Selection, CallOptions {
  readonly limit?: number;
  readonly continueToken?: string | undefined;
}

export interface WatchOptions extends Selection {
  readonly signal: AbortSignal;
  /** Where to go on; undefined begins with the present state. */
  readonly resourceVersion?: string | undefined;
  /** Streaming list: all objects as ADDED first, then a bookmark annotated as their end. */
  readonly sendInitialEvents?: boolean;
  /** After this time the server ends the watch, seconds. */
  readonly timeoutSec: number;
}

export interface ApplyOptions extends CallOptions {
  readonly fieldManager: string;
  /** Take fields over from other managers instead of a CONFLICT. */
  readonly force?: boolean;
  readonly subresource?: 'status';
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** One page or object. A list of 500 large pods has about 10 MB. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
const PAGE = 500;
const JSON_TYPE = 'application/json';
const AS_METADATA = ';as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const METADATA_LIST = `${JSON_TYPE};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;
/** What is asked for when the answer is of no interest: the server encodes next to nothing. */
const LEAST = `${PROTOBUF}${AS_METADATA},${JSON_TYPE}${AS_METADATA}`;
/** Groups whose objects have a protobuf form; those of CRDs have none. */
const PROTOBUF_GROUPS: ReadonlySet<string> = new Set(['', 'discovery.k8s.io']);

/**
 * A light client of the API server. Everything rejects with KubeError, or with the reason of an aborted signal. What it
 * returns is unvalidated JSON. Close it at the end.
 */
export class KubeClient implements Disposable {
  readonly access: ClusterAccess;
  readonly #transport: ApiTransport;
  readonly #timeoutMs: number;

  constructor(access: ClusterAccess, options: KubeClientOptions) {
    this.access = access;
    this.#transport = new ApiTransport(access, options.userAgent);
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /** The object, or undefined when there is none. */
  async get(ref: ObjectRef, options: CallOptions = {}): Promise<unknown> {
    return this.getPath(objectPath(ref), options);
  }

  /** What a path answers, or undefined for 404. */
  async getPath(path: string, options: CallOptions = {}): Promise<unknown> {
    try {
      return await this.#json({ method: 'GET', path, signal: options.signal });
    } catch (error) {
      if (error instanceof KubeError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** All objects, page by page. A list that expires halfway rejects with `GONE`. */
  async list(kind: ApiKind, options: ListOptions = {}): Promise<readonly PlainObject[]> {
    const items: PlainObject[] = [];
    let continueToken: string | undefined;
    do {
      const page = await this.listPage(kind, { ...options, limit: options.limit ?? PAGE, continueToken });
      items.push(...page.items);
      ({ continueToken } = page);
    } while (continueToken !== undefined);
    return items;
  }

  async listPage(kind: ApiKind, options: ListOptions = {}): Promise<ListPage> {
    const { limit, continueToken, metadataOnly } = options;
    const answer = await this.#json({
      method: 'GET',
      path: collectionPath(kind, options.namespace),
      query: { ...selectors(options), limit: limit?.toString(), continue: continueToken },
      ...(metadataOnly === true ? { accept: METADATA_LIST } : {}),
      signal: options.signal,
    });
    return readPage(answer, kind);
  }

  /**
   * Events of a kind, as the server sent them together. Ends when the server ends the watch; rejects with KubeError when
   * it breaks.
   */
  async *watch(kind: ApiKind, options: WatchOptions): AsyncGenerator<readonly unknown[], void, void> {
    const { sendInitialEvents = false, resourceVersion, timeoutSec, signal } = options;
    const answer = await this.#transport.stream({
      method: 'GET',
      path: collectionPath(kind, options.namespace),
      query: {
        ...selectors(options),
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion,
        timeoutSeconds: String(Math.ceil(timeoutSec)),
        ...(sendInitialEvents ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' } : {}),
      },
      accept: watchFormats(kind, options),
      signal,
      timeoutMs: this.#timeoutMs,
    });
    const isProtobuf = answer.headers['content-type']?.startsWith(PROTOBUF) === true;
    const events = isProtobuf ? new WatchFrames() : new WatchLines();
    try {
      for await (const chunk of answer) if (chunk instanceof Uint8Array) yield events.push(chunk);
    } catch (cause) {
      signal.throwIfAborted();
      throw cause instanceof KubeError
        ? cause
        : new KubeError('UNREACHABLE', `the watch of ${kind.plural} broke`, { cause });
    }
  }

  /** Creates an object; its metadata names it. Rejects with `CONFLICT` (reason `AlreadyExists`) when there is one. */
  async create(kind: ApiKind, object: PlainObject, options: CallOptions = {}): Promise<unknown> {
    const path = collectionPath(kind, kind.namespaced ? (metadataText(object, 'namespace') ?? 'default') : undefined);
    return this.#json({ method: 'POST', path, body: withType(kind, object), signal: options.signal });
  }

  /** Replaces an object; with `metadata.resourceVersion` only the version read before, else `CONFLICT`. */
  async replace(ref: ObjectRef, object: PlainObject, options: CallOptions = {}): Promise<unknown> {
    return this.#json({
      method: 'PUT',
      path: objectPath(ref),
      body: withType(ref.kind, object),
      signal: options.signal,
    });
  }

  /** Deletes an object; true when there was one. */
  async delete(ref: ObjectRef, options: CallOptions = {}): Promise<boolean> {
    try {
      await this.#json({ method: 'DELETE', path: objectPath(ref), signal: options.signal });
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  }

  /** Server-side apply: `object` holds exactly the fields that this manager wants to own. */
  async apply(ref: ObjectRef, object: PlainObject, options: ApplyOptions): Promise<void> {
    const { fieldManager, force = false, subresource, signal } = options;
    const metadata = isPlainObject(object['metadata']) ? object['metadata'] : {};
    const place = ref.kind.namespaced ? { namespace: ref.namespace ?? 'default' } : {};
    await this.#write({
      method: 'PATCH',
      path: objectPath(ref, subresource),
      query: { fieldManager, force: force ? 'true' : undefined },
      body: withType(ref.kind, { ...object, metadata: { ...metadata, name: ref.name, ...place } }),
      contentType: 'application/apply-patch+yaml',
      signal,
    });
  }

  /** JSON merge patch: null removes a field, lists are replaced. */
  async patch(
    ref: ObjectRef,
    mergePatch: PlainObject,
    options: CallOptions & { readonly subresource?: 'status'; readonly fieldManager?: string } = {},
  ): Promise<void> {
    await this.#write({
      method: 'PATCH',
      path: objectPath(ref, options.subresource),
      query: { fieldManager: options.fieldManager },
      body: mergePatch,
      contentType: 'application/merge-patch+json',
      signal: options.signal,
    });
  }

  /** POST to any path: reviews, token requests. */
  async post(path: string, body: unknown, options: CallOptions = {}): Promise<unknown> {
    return this.#json({ method: 'POST', path, body, signal: options.signal });
  }

  /** Breaks what is under way and closes all connections. */
  close(): void {
    this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #write(request: Omit<ApiRequest, 'timeoutMs' | 'accept'>): Promise<void> {
    return this.#transport.unread({ ...request, accept: LEAST, timeoutMs: this.#timeoutMs });
  }

  #json(request: Omit<ApiRequest, 'timeoutMs'>): Promise<unknown> {
    return this.#transport.json({ ...request, timeoutMs: this.#timeoutMs }, MAX_ANSWER_BYTES);
  }
}

/** What a watch may come as, the preferred first. */
function watchFormats(kind: ApiKind, { metadataOnly = false, meshFieldsOnly = false }: Selection): string {
  const as = metadataOnly ? AS_METADATA : '';
  const hasProtobuf = PROTOBUF_GROUPS.has(kind.group) && (metadataOnly || kindShapes.has(kind.kind));
  return meshFieldsOnly && hasProtobuf ? `${PROTOBUF}${as},${JSON_TYPE}${as}` : `${JSON_TYPE}${as}`;
}

function selectors(selection: Selection): Readonly<Record<string, string | undefined>> {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector };
}

function readPage(answer: unknown, kind: ApiKind): ListPage {
  const metadata = isPlainObject(answer) ? answer['metadata'] : undefined;
  const items = isPlainObject(answer) ? (answer['items'] ?? []) : undefined;
  const version = isPlainObject(metadata) ? metadata['resourceVersion'] : undefined;
  if (!Array.isArray(items) || typeof version !== 'string' || !isPlainObject(metadata)) {
    throw new KubeError('MALFORMED', `the list of ${kind.plural} has no items or no resourceVersion`);
  }
  const token = metadata['continue'];
  return {
    items: items.filter(isPlainObject),
    resourceVersion: version,
    continueToken: typeof token === 'string' && token !== '' ? token : undefined,
  };
}

function withType(kind: ApiKind, object: PlainObject): PlainObject {
  return { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind };
}

function metadataText(object: PlainObject, key: string): string | undefined {
  const { metadata } = object;
  const value = isPlainObject(metadata) ? metadata[key] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
