/** Policies as users write them. */

export const strictPeers = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec:
  mtls: { mode: STRICT }
`;

export const onlyClientMayCallFar = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: far }
spec:
  selector: { matchLabels: { app: far } }
  action: ALLOW
  rules:
    - from:
        - source:
            principals: [cluster.local/ns/e2e-shop/sa/client]
      to:
        - operation:
            ports: ['8080', '9000']
`;

export const nobodyMayCallNearOn9000 = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: near }
spec:
  selector: { matchLabels: { app: near } }
  action: DENY
  rules:
    - to:
        - operation:
            ports: ['9000']
`;
