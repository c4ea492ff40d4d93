/**
 * Reads the answer of a TokenReview and the few claims of a token that may be looked at before it is verified.
 * Pure. Spec: control-plane contract 6.2; Kubernetes authentication.k8s.io/v1 TokenReview.
 */

/** The pod a token is bound to. */
export interface ReviewedPod {
  readonly name: string;
  readonly uid: string;
  /** Empty when the API server does not tell the node (before Kubernetes 1.30, or a pod without a node). */
  readonly node: string;
}

/** What the mesh uses of a service account token that the API server accepted. */
export interface ReviewedToken {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Undefined for a token that is not bound to a pod. */
  readonly pod: ReviewedPod | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

const USER_NAME = /^system:serviceaccount:([A-Za-z0-9._-]+):([A-Za-z0-9._-]+)$/;
const ACCOUNTS_GROUP = 'system:serviceaccounts';
const EXTRA = 'authentication.kubernetes.io/';

/** Returns what the review says of the token's owner, or the reason why the token is refused. */
export function readTokenReview(review: unknown, audiences: readonly string[]): ReviewedToken | string {
  const status = fieldsOf(review, 'status');
  if (status === undefined) return 'the review has no status';
  if (status['authenticated'] !== true) return 'the API server does not accept the token';
  // An API server that knows no audiences answers without any: then nothing says that the token is meant for us.
  if (!textsOf(status['audiences']).some((audience) => audiences.includes(audience))) {
    return `the token is not meant for ${audiences.join(' or ')}`;
  }
  const user = fieldsOf(status, 'user');
  const name = user?.['username'];
  const [, namespace, serviceAccount] = (typeof name === 'string' ? USER_NAME.exec(name) : null) ?? [];
  if (user === undefined || namespace === undefined || serviceAccount === undefined) {
    return 'the token belongs to no service account';
  }
  if (!textsOf(user['groups']).includes(ACCOUNTS_GROUP)) return 'the owner is not in the group of service accounts';
  return { namespace, serviceAccount, pod: podOf(fieldsOf(user, 'extra')) };
}

function podOf(extra: Fields | undefined): ReviewedPod | undefined {
  const only = (key: string): string => {
    const values = textsOf(extra?.[`${EXTRA}${key}`]);
    // Two values would leave open which one was meant.
    return values.length === 1 ? (values[0] ?? '') : '';
  };
  const name = only('pod-name');
  const uid = only('pod-uid');
  return name === '' || uid === '' ? undefined : { name, uid, node: only('node-name') };
}

/**
 * Expiry of a token in milliseconds since the epoch, as the token itself claims. Nothing is verified: it may only be used
 * to refuse earlier or to remember for a shorter time. Undefined for text that is no service account token.
 */
export function claimedExpiryMs(token: string): number | undefined {
  const [, payload = '', signature, ...rest] = token.split('.');
  if (signature === undefined || rest.length > 0) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    const expirySec = isFields(claims) ? claims['exp'] : undefined;
    return typeof expirySec === 'number' && Number.isFinite(expirySec) ? expirySec * 1000 : undefined;
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown, key: string): Fields | undefined {
  const field = isFields(value) ? value[key] : undefined;
  return isFields(field) ? field : undefined;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
