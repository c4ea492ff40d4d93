/** The YAML and the packet filter rules of pods that are containers. Pure. */

/** Address of the Service; nothing but a proxy routes it. */
export const WEB_VIP = '10.96.0.10';
/** Group of the proxy, whose own connections are left alone. */
const PROXY_GROUP = 1337;

interface PodFacts {
  readonly name: string;
  readonly account: string;
  readonly node: string;
  readonly address: string;
}

export function podManifest(pod: PodFacts): string {
  return `apiVersion: v1
kind: Pod
metadata:
  name: ${pod.name}
  namespace: demo
  uid: uid-${pod.name}
  labels: { app: ${pod.name} }
  annotations: { ambient.istio.io/redirection: enabled }
spec: { serviceAccountName: ${pod.account}, nodeName: ${pod.node}, containers: [{ name: app, image: app }] }
status:
  phase: Running
  podIP: ${pod.address}
  podIPs: [{ ip: ${pod.address} }]
  conditions: [{ type: Ready, status: "True" }]
`;
}

export function serviceManifest(name: string): string {
  return `apiVersion: v1
kind: Namespace
metadata: { name: demo, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: demo }
spec:
  clusterIP: ${WEB_VIP}
  clusterIPs: [${WEB_VIP}]
  selector: { app: ${name} }
  ports: [{ name: http, port: 80, targetPort: 8080 }]
`;
}

/** Nobody may call the pods of this app. */
export function denial(app: string): string {
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: demo }
spec:
  selector: { matchLabels: { app: ${app} } }
  action: DENY
  rules: [{ to: [{ operation: { ports: ["8080"] } }] }]
`;
}

/** Only HTTP is captured: names are resolved by the engine's own resolver, which has rules of its own in here. */
export function redirection(): string {
  return `*nat
-A OUTPUT -m owner --gid-owner ${PROXY_GROUP} -j RETURN
-A OUTPUT -p tcp -m multiport --dports 80,8080 ! -d 127.0.0.0/8 -j REDIRECT --to-ports 15001
-A PREROUTING -p tcp ! --dport 15008 -j REDIRECT --to-ports 15006
COMMIT
`;
}
