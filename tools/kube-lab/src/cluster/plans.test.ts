import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressRanges, nodeAddresses } from './address-plan.ts';
import { kubeconfig } from './certificates.ts';
import { planControlPlane } from './control-plane-plan.ts';
import type { LabDescription } from './lab-description.ts';
import { containerdConfig, kubeletConfig, networkConfig, proxyConfig, type NodeFacts } from './node-files.ts';

const LAB: LabDescription = {
  isDual: false,
  isControlPlaneOnly: false,
  proxyMode: 'nftables',
  apiServerArguments: ['--feature-gates=WatchList=true'],
  kubeletArguments: [],
};
const FACTS: NodeFacts = {
  node: 2,
  disk: '/lab/node2',
  certificates: '/lab/pki',
  proxyKubeconfig: '/lab/proxy.kubeconfig',
  cgroup: 'kl-n2',
  hasSysResource: true,
  lab: LAB,
};

test('a dual stack has both families everywhere, a single one only IPv4', () => {
  assert.deepEqual(addressRanges(false), { services: '10.96.0.0/16', pods: '10.244.0.0/16' });
  assert.match(addressRanges(true).pods, /^10\.244\.0\.0\/16,fd00:244::\/56$/);
  assert.equal(nodeAddresses(9).pods.v6, 'fd00:244:0:9::/64');
  assert.doesNotMatch(networkConfig(FACTS), /fd00/);
  assert.match(networkConfig({ ...FACTS, lab: { ...LAB, isDual: true } }), /fd00:244:0:2::\/64/);
});

test('without CAP_SYS_RESOURCE neither containerd nor the kubelet insist on what is refused', () => {
  assert.match(containerdConfig(FACTS), /restrict_oom_score_adj = false/);
  assert.match(kubeletConfig(FACTS), /"KubeletInUserNamespace": false/);
  const without = { ...FACTS, hasSysResource: false };
  assert.match(containerdConfig(without), /restrict_oom_score_adj = true/);
  assert.match(kubeletConfig(without), /"KubeletInUserNamespace": true/);
});

test('a node keeps within its own cgroup, leaves machine-wide limits alone, and proxies as asked', () => {
  const kubelet: unknown = JSON.parse(kubeletConfig(FACTS));
  assert.partialDeepStrictEqual(kubelet, {
    cgroupRoot: '/kl-n2',
    failCgroupV1: false,
    resolvConf: '/lab/node2/resolv.conf',
  });
  const proxy: unknown = JSON.parse(proxyConfig({ ...FACTS, lab: { ...LAB, proxyMode: 'iptables' } }));
  assert.partialDeepStrictEqual(proxy, { mode: 'iptables', conntrack: { maxPerCore: 0 }, hostnameOverride: 'node2' });
});

test('the API server listens on the port, reaches webhooks by pod address and takes further arguments last', () => {
  const files = {
    kube: '/bin/kube',
    root: '/lab',
    certificates: '/lab/pki',
    kubeconfig: (user: string) => `/lab/${user}`,
  };
  const { apiServer, controllerManager } = planControlPlane(files, 7443, LAB);
  assert.ok(apiServer.includes('--secure-port=7443'));
  assert.ok(apiServer.includes('--enable-aggregator-routing=true'));
  assert.equal(apiServer.at(-1), '--feature-gates=WatchList=true');
  assert.ok(controllerManager.includes('--kubeconfig=/lab/controller-manager'));
});

test('a kubeconfig names its server and keeps certificates inline', () => {
  const parts = {
    server: 'https://127.0.0.1:6443',
    authority: 'QQ==',
    certificate: 'Qg==',
    key: 'Qw==',
    user: 'admin',
    context: 'kube-lab-kl',
  };
  assert.match(kubeconfig(parts), /server: "https:\/\/127\.0\.0\.1:6443", certificate-authority-data: QQ==/);
});
