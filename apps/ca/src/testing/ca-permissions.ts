/** What the CA may do at the API server: the table of the README, for tests that run it with nothing else. */

/** For all namespaces. */
export const clusterRules: readonly object[] = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] },
  { apiGroups: [''], resources: ['configmaps'], verbs: ['create'] },
  {
    apiGroups: [''],
    resources: ['configmaps'],
    resourceNames: ['istio-ca-root-cert', 'istio-ca-crl'],
    verbs: ['get', 'list', 'watch', 'patch'],
  },
];

/** For the namespace of the CA. */
export const ownRules: readonly object[] = [
  { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
  { apiGroups: [''], resources: ['secrets'], resourceNames: ['cacerts'], verbs: ['get'] },
  {
    apiGroups: [''],
    resources: ['secrets'],
    resourceNames: ['istio-ca-secret', 'ambit-ca-intermediate'],
    verbs: ['get', 'update'],
  },
  { apiGroups: [''], resources: ['secrets'], resourceNames: ['ambit-ca-rotation'], verbs: ['get', 'update', 'delete'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: ['ambit-ca'], verbs: ['get', 'update'] },
  { apiGroups: ['cert-manager.io'], resources: ['certificaterequests'], verbs: ['create', 'get', 'delete'] },
];
