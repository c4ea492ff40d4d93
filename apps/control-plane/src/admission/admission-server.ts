import type { Server } from 'node:https';
import type { ServerTlsMaterial } from '@ambit/grpc';
import type { PlainObject } from '@ambit/kube';
import { type FastifyInstance, fastify } from 'fastify';
import type { MeshReview } from '../derive/mesh-review.ts';
import { answerReview, readReview } from './admission-review.ts';
import { judgeObject, type Verdict } from './judge-object.ts';

/** Counts for the metrics of dashboards: `galley_validation_passed` and `galley_validation_failed`. */
export interface AdmissionObserver {
  judged(verdict: Verdict): void;
}

export interface AdmissionServerParts {
  readonly mesh: Pick<MeshReview, 'review'>;
  readonly observer: AdmissionObserver;
  readonly tls: ServerTlsMaterial;
}

/** An object of 1.5 MiB, which is what etcd takes, comes with its predecessor. */
const MAX_BODY = 4 * 1024 * 1024;
const MAX_CONNECTIONS = 64;
const REQUEST_MS = 5_000;

/** The webhook's HTTPS server; it does not listen yet. */
export interface AdmissionServer {
  readonly server: FastifyInstance<Server>;
  /** New certificate for handshakes to come. Throws, changing nothing, when certificate and key do not fit. */
  update(tls: ServerTlsMaterial): void;
}

/**
 * `/validate` judges objects of the mesh; `/inject` lets every pod pass as it is, for webhook configurations that an
 * Istio installation left behind. Work for one request is bounded by its size; a request that is no review gets 400, and
 * a webhook configuration with `failurePolicy: Ignore` then lets the object pass.
 */
export function buildAdmissionServer({ mesh, observer, tls }: AdmissionServerParts): AdmissionServer {
  const server = fastify({
    logger: false,
    bodyLimit: MAX_BODY,
    requestTimeout: REQUEST_MS,
    https: contextOf(tls),
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  const answer = (path: string, judge: (object: unknown) => Verdict): void => {
    server.post(path, (request, reply): PlainObject => {
      const review = readReview(request.body);
      if (review !== undefined) return answerReview(review.uid, judge(review.object));
      void reply.code(400);
      return { message: 'send an AdmissionReview of admission.k8s.io/v1 with request.uid' };
    });
  };
  answer('/validate', (object) => {
    // Nothing is said about objects that go away.
    const verdict = object === undefined ? { errors: [], warnings: [] } : judgeObject(object, mesh);
    observer.judged(verdict);
    return verdict;
  });
  answer('/inject', () => ({ errors: [], warnings: [] }));
  return { server, update: (next) => server.server.setSecureContext(contextOf(next)) };
}

function contextOf({ certificateChainPem, privateKeyPem }: ServerTlsMaterial) {
  return { cert: certificateChainPem, key: privateKeyPem, minVersion: 'TLSv1.2' } as const;
}
