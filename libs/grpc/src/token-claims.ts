/** Claims of a Kubernetes service account token, read strictly. Spec: control-plane contract 6.2. */

/** The pod a token is bound to. */
export interface BoundPod {
  readonly name: string;
  readonly uid: string;
  /** Empty if the token does not name the node. */
  readonly node: string;
}

/** What the mesh uses of a token. */
export interface ServiceAccountClaims {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: BoundPod | undefined;
}

type Claims = Readonly<Record<string, unknown>>;

/** Names hold what Kubernetes allows in them, so nothing in a subject can change the shape of an id made from it. */
const SERVICE_ACCOUNT = /^system:serviceaccount:([A-Za-z0-9._-]+):([A-Za-z0-9._-]+)$/;

/** Returns the claims, or the reason why they are refused. Pure. */
export function readServiceAccountClaims(claims: Claims): ServiceAccountClaims | string {
  const subject = claims['sub'];
  const match = typeof subject === 'string' ? SERVICE_ACCOUNT.exec(subject) : null;
  const [, namespace, serviceAccount] = match ?? [];
  if (namespace === undefined || serviceAccount === undefined) return 'the subject is not a service account';
  const private_ = claims['kubernetes.io'];
  if (private_ === undefined) return { namespace, serviceAccount, pod: undefined };
  if (!isClaims(private_)) return 'the kubernetes.io claim is not an object';
  const account = member(private_, 'serviceaccount');
  if (private_['namespace'] !== namespace || account?.['name'] !== serviceAccount) {
    return 'the kubernetes.io claim names another service account than the subject';
  }
  const pod = member(private_, 'pod');
  if (pod === undefined) return { namespace, serviceAccount, pod: undefined };
  const name = textOf(pod['name']);
  const uid = textOf(pod['uid']);
  if (name === '' || uid === '') return 'the bound pod has no name or uid';
  return { namespace, serviceAccount, pod: { name, uid, node: textOf(member(private_, 'node')?.['name']) } };
}

function member(claims: Claims, name: string): Claims | undefined {
  const value = claims[name];
  return isClaims(value) ? value : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isClaims(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
