/** Istio's ztunnel as the peer of Ambit's, in both directions, and alone under Ambit's control plane, CA and agent. */
import { meshSuite } from './mesh-suite.ts';

const program = process.env['AMBIT_BENCH_ZTUNNEL'] ?? '';
const skip =
  program === ''
    ? 'AMBIT_BENCH_ZTUNNEL names no ztunnel of Istio'
    : process.getuid?.() === 0
      ? false
      : 'needs root for network namespaces';

meshSuite({
  title: "Ambit's ztunnel as client of Istio's",
  labName: `ia${process.pid}`,
  ztunnelPrograms: { node2: program },
  skip,
});
meshSuite({
  title: "Istio's ztunnel as client of Ambit's",
  labName: `ib${process.pid}`,
  ztunnelPrograms: { node1: program },
  skip,
});
meshSuite({
  title: "Istio's ztunnels under Ambit's control plane, CA and agent",
  labName: `ic${process.pid}`,
  ztunnelPrograms: { '*': program },
  skip,
});
