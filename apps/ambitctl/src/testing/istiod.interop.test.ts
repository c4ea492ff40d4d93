/**
 * Istio's control plane and CA over ztunnels: Ambit's, and mixed pairs. Needs root, `AMBIT_INTEROP_ISTIOD` (pilot-discovery) and
 * `AMBIT_TEST_KUBECONFIG` (an API server without kubelets, as `kube-lab up --cp-only` gives); `AMBIT_INTEROP_ZTUNNEL` (Istio's
 * ztunnel) adds the mixed pairs, `AMBIT_INTEROP_ISTIOCTL` the reading of the admin dump.
 */
import { istiodSuite } from './istiod-suite.ts';

const istiodProgram = process.env['AMBIT_INTEROP_ISTIOD'] ?? '';
const istioctlProgram = process.env['AMBIT_INTEROP_ISTIOCTL'] ?? '';
const kubeconfig = process.env['AMBIT_TEST_KUBECONFIG'] ?? '';
const peer = process.env['AMBIT_INTEROP_ZTUNNEL'] ?? '';

function missing(): string | false {
  if (istiodProgram === '') return 'AMBIT_INTEROP_ISTIOD names no istiod';
  if (kubeconfig === '') return 'AMBIT_TEST_KUBECONFIG names no API server';
  return process.getuid?.() === 0 ? false : 'needs root for network namespaces';
}

const common = { istiodProgram, istioctlProgram, kubeconfig };
const withoutPeer = peer === '' ? 'AMBIT_INTEROP_ZTUNNEL names no ztunnel of Istio' : missing();

istiodSuite({
  ...common,
  title: "Ambit's ztunnels under Istio's control plane",
  labName: `id${process.pid}`,
  ztunnelPrograms: {},
  skip: missing(),
});
istiodSuite({
  ...common,
  title: "Under Istio's control plane, Ambit's ztunnel as client of Istio's",
  labName: `ie${process.pid}`,
  ztunnelPrograms: { node2: peer },
  skip: withoutPeer,
});
istiodSuite({
  ...common,
  title: "Under Istio's control plane, Istio's ztunnel as client of Ambit's",
  labName: `if${process.pid}`,
  ztunnelPrograms: { node1: peer },
  skip: withoutPeer,
});
