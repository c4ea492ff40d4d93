import { GrpcChannel } from '../grpc-channel.ts';
import type { GrpcClient, GrpcClientOptions } from '../grpc-client.ts';
import { RpcChannel } from '../rpc/rpc-channel.ts';

/** What clients of gRPC can be made of: the same tests are for all. */
export const transports: readonly {
  readonly name: string;
  readonly open: (options: GrpcClientOptions) => GrpcClient;
}[] = [
  { name: 'over grpc-js', open: (options) => new GrpcChannel(options) },
  { name: "over the mesh's own transport", open: (options) => new RpcChannel(options) },
];
