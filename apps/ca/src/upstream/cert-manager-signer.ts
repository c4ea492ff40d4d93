/**
 * Has certificates signed by an issuer of cert-manager, through its resource CertificateRequest. The request is deleted
 * once it has been answered; the private key never leaves this process but to the Secret of the set.
 * Spec: cert-manager.io/v1 CertificateRequest.
 */
import { randomBytes } from 'node:crypto';
import { type ApiKind, type KubeClient, KubeError, type ObjectRef, type PlainObject, isPlainObject } from '@ambit/kube';
import { type Clock, delay, toAmbitError } from '@ambit/runtime';
import type { IssuerReference } from './issuer-reference.ts';
import { upstreamFailed } from './upstream-maker.ts';
import type { UpstreamAnswer, UpstreamRequest, UpstreamSigner } from './upstream-signer.ts';

/** What it works with. */
export interface CertManagerSignerOptions {
  readonly client: Pick<KubeClient, 'create' | 'get' | 'delete'>;
  readonly clock: Clock;
  /** Where the requests are made. */
  readonly namespace: string;
  readonly issuer: IssuerReference;
  /** How long an answer is waited for, approval included. */
  readonly timeoutMs: number;
}

const certificateRequest: ApiKind = {
  group: 'cert-manager.io',
  version: 'v1',
  kind: 'CertificateRequest',
  plural: 'certificaterequests',
  namespaced: true,
};
const POLL_MS = 500;
const NEVER: AbortSignal = new AbortController().signal;

export class CertManagerSigner implements UpstreamSigner {
  readonly name: string;
  readonly #options: CertManagerSignerOptions;

  constructor(options: CertManagerSignerOptions) {
    this.#options = options;
    this.name = `${options.issuer.kind} ${options.issuer.name}`;
  }

  async sign(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { client, namespace } = this.#options;
    const ref = { kind: certificateRequest, namespace, name: `ambit-ca-${randomBytes(5).toString('hex')}` };
    try {
      await client.create(certificateRequest, this.#object(ref, request));
    } catch (cause) {
      throw this.#failed(cause);
    }
    try {
      return await this.#answer(ref);
    } finally {
      // What is left over does no harm; it has no key in it.
      await client.delete(ref).catch(() => undefined);
    }
  }

  #object({ name, namespace = '' }: ObjectRef, { csrPem, lifetimeMs }: UpstreamRequest): PlainObject {
    return {
      metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'ambit-ca' } },
      spec: {
        request: Buffer.from(csrPem).toString('base64'),
        issuerRef: this.#options.issuer,
        isCA: true,
        usages: ['digital signature', 'cert sign', 'crl sign'],
        duration: `${Math.round(lifetimeMs / 1000)}s`,
      },
    };
  }

  async #answer(ref: ObjectRef): Promise<UpstreamAnswer> {
    const { client, clock, timeoutMs } = this.#options;
    const deadlineMs = clock.nowMs() + timeoutMs;
    let seen = 'no controller has looked at it: is cert-manager running?';
    for (;;) {
      const object = await client.get(ref).catch((cause: unknown) => {
        throw this.#failed(cause);
      });
      const status = readRequestStatus(object);
      if (status.kind === 'issued') return status.answer;
      if (status.kind === 'refused')
        throw upstreamFailed(`${this.name} refused the request of the CA: ${status.reason}`);
      if (status.reason !== '') seen = status.reason;
      if (clock.nowMs() >= deadlineMs) {
        throw upstreamFailed(`${this.name} did not sign within ${timeoutMs / 1000} s (${ref.name}): ${seen}`);
      }
      await delay(POLL_MS, { signal: NEVER });
    }
  }

  #failed(cause: unknown): Error {
    const { message } = toAmbitError(cause);
    const isMissing = cause instanceof KubeError && cause.code === 'NOT_FOUND';
    const advice = isMissing ? '; install cert-manager, or unset AMBIT_CA_UPSTREAM' : '';
    return upstreamFailed(`${this.name} cannot be asked: ${message}${advice}`, cause);
  }
}

/** What the status of a request says. */
export type RequestStatus =
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'issued'; readonly answer: UpstreamAnswer }
  | { readonly kind: 'refused'; readonly reason: string };

/** Reads a CertificateRequest as it came from the API server. Pure; exported for tests. */
export function readRequestStatus(object: unknown): RequestStatus {
  if (object === undefined) return { kind: 'refused', reason: 'the request was deleted before it was answered' };
  const status = fieldsOf(object, 'status');
  const { conditions, certificate, ca } = status;
  const list = Array.isArray(conditions) ? conditions.filter(isPlainObject) : [];
  for (const condition of list) {
    const { type, status: value, reason } = condition;
    const message = `${textOf(reason)} ${textOf(condition['message'])}`.trim();
    const isRefusal = type === 'Denied' || type === 'InvalidRequest';
    if (isRefusal && value === 'True') return { kind: 'refused', reason: message };
    if (type === 'Ready' && value === 'False' && (reason === 'Failed' || reason === 'Denied'))
      return { kind: 'refused', reason: message };
    if (type === 'Ready' && value === 'True' && textOf(certificate) !== '') {
      return { kind: 'issued', answer: { chainPem: fromBase64(certificate), caPem: fromBase64(ca) } };
    }
  }
  const ready = list.find(({ type }) => type === 'Ready');
  return { kind: 'waiting', reason: ready === undefined ? '' : textOf(ready['message']) };
}

function fieldsOf(object: unknown, key: string): PlainObject {
  const value = isPlainObject(object) ? object[key] : undefined;
  return isPlainObject(value) ? value : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 1_000) : '';
}

function fromBase64(value: unknown): string {
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : '';
}
