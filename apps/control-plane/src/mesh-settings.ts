/** What all derivations need to know of the mesh; fixed for the life of the process. */
export interface MeshSettings {
  /** Name of the Kubernetes cluster, first part of workload UIDs. */
  readonly clusterId: string;
  /** Suffix of service host names: `<name>.<namespace>.svc.<clusterDomain>`. */
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** Namespace whose policies are for the whole mesh, and whose label names the network. */
  readonly rootNamespace: string;
}

/** The values of a mesh nobody configured; also what Istio defaults to. */
export const defaultMeshSettings: MeshSettings = {
  clusterId: 'Kubernetes',
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
};
