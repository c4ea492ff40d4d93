/** What to do when a command ends because of the cluster. Pure. */
import { KubeError, type KubeErrorCode } from '@ambit/kube';
import { toAmbitError } from '@ambit/runtime';

const ADVICE: Readonly<Partial<Record<KubeErrorCode, string>>> = {
  ACCESS: 'Name a kubeconfig that works: --kubeconfig FILE, or the environment variable KUBECONFIG.',
  FORBIDDEN: 'Use an account that may: --context NAME. An installation needs the ClusterRole cluster-admin.',
  TIMEOUT: 'Is the cluster up, and is it the right one? kubectl cluster-info; --kubeconfig FILE, --context NAME.',
  UNAUTHORIZED: 'The credentials of this kubeconfig are not valid (any more): log in again, or use --context NAME.',
  UNREACHABLE: 'Is the cluster up, and is it the right one? kubectl cluster-info; --kubeconfig FILE, --context NAME.',
};

/** The failure as text; where something can be done about it, that on a line of its own. */
export function explainFailure(cause: unknown): string {
  const advice = cause instanceof KubeError ? ADVICE[cause.code] : undefined;
  const isSilent = cause instanceof KubeError && (cause.code === 'UNREACHABLE' || cause.code === 'TIMEOUT');
  const message = `${isSilent ? 'the API server does not answer: ' : ''}${toAmbitError(cause).message}`;
  return advice === undefined ? `ambitctl: ${message}\n` : `ambitctl: ${message}\n    ${advice}\n`;
}
