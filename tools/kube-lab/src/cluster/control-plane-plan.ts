/** Command lines of the control plane. Pure. */
import { join } from 'node:path';
import { CONTROL_PLANE, addressRanges } from './address-plan.ts';
import type { LabDescription } from './lab-description.ts';

export interface ControlPlanePlan {
  readonly etcd: readonly string[];
  readonly apiServer: readonly string[];
  readonly controllerManager: readonly string[];
  readonly scheduler: readonly string[];
}

export interface ControlPlaneFiles {
  /** The program that is all of them. */
  readonly kube: string;
  /** State folder of the lab. */
  readonly root: string;
  readonly certificates: string;
  readonly kubeconfig: (user: string) => string;
}

const ETCD = 'http://127.0.0.1:2379';
const ETCD_PEER = 'http://127.0.0.1:2380';
const ISSUER = 'https://kubernetes.default.svc.cluster.local';
/** The clients' default limits make the pods of many pretended nodes wait for minutes. */
const CLIENT_LIMITS = ['--kube-api-qps=500', '--kube-api-burst=1000'];

export function planControlPlane(files: ControlPlaneFiles, port: number, lab: LabDescription): ControlPlanePlan {
  const { kube } = files;
  const pki = (name: string): string => join(files.certificates, name);
  const ranges = addressRanges(lab.isDual);
  return {
    etcd: [
      kube,
      'etcd',
      '--name=kube-lab',
      `--data-dir=${join(files.root, 'etcd')}`,
      '--log-level=warn',
      // Nothing here has to survive a crash of the machine.
      '--unsafe-no-fsync',
      `--listen-client-urls=${ETCD}`,
      `--advertise-client-urls=${ETCD}`,
      `--listen-peer-urls=${ETCD_PEER}`,
      `--initial-advertise-peer-urls=${ETCD_PEER}`,
      `--initial-cluster=kube-lab=${ETCD_PEER}`,
    ],
    apiServer: [
      kube,
      'kube-apiserver',
      `--etcd-servers=${ETCD}`,
      '--bind-address=0.0.0.0',
      `--secure-port=${port}`,
      `--advertise-address=${CONTROL_PLANE.v4}`,
      `--tls-cert-file=${pki('apiserver.crt')}`,
      `--tls-private-key-file=${pki('apiserver.key')}`,
      `--client-ca-file=${pki('ca.crt')}`,
      `--service-account-key-file=${pki('sa.pub')}`,
      `--service-account-signing-key-file=${pki('sa.key')}`,
      `--service-account-issuer=${ISSUER}`,
      `--api-audiences=${ISSUER}`,
      `--service-cluster-ip-range=${ranges.services}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged',
      // Webhooks behind a Service are reached by pod address: no kube-proxy runs beside the API server.
      '--enable-aggregator-routing=true',
      '--kubelet-preferred-address-types=InternalIP',
      `--kubelet-client-certificate=${pki('kubelet-client.crt')}`,
      `--kubelet-client-key=${pki('kubelet-client.key')}`,
      ...lab.apiServerArguments,
    ],
    controllerManager: [
      kube,
      'kube-controller-manager',
      `--kubeconfig=${files.kubeconfig('controller-manager')}`,
      `--service-account-private-key-file=${pki('sa.key')}`,
      `--root-ca-file=${pki('ca.crt')}`,
      `--cluster-signing-cert-file=${pki('ca.crt')}`,
      `--cluster-signing-key-file=${pki('ca.key')}`,
      '--use-service-account-credentials',
      '--leader-elect=false',
      // Each node's range follows from its number.
      '--allocate-node-cidrs=false',
      `--cluster-cidr=${ranges.pods}`,
      `--service-cluster-ip-range=${ranges.services}`,
      '--bind-address=127.0.0.1',
      // A dead node shows after 20 s instead of 50.
      '--node-monitor-grace-period=20s',
      ...CLIENT_LIMITS,
    ],
    scheduler: [
      kube,
      'kube-scheduler',
      `--kubeconfig=${files.kubeconfig('scheduler')}`,
      '--leader-elect=false',
      '--bind-address=127.0.0.1',
      ...CLIENT_LIMITS,
    ],
  };
}
