/** The calls of the server part that this wing makes. */

import type { ServerConnection } from '@jupyterlab/services';

import { get, patch, post, remove } from '../request';
import type {
  KernelAnswer,
  KernelsAnswer,
  LeaseAnswer,
  LeasePatchBody
} from '../wire';

/** Each throws as `get` of `request.ts`. */
export interface IKernelApi {
  kernels(): Promise<KernelsAnswer>;
  attach(kernelId: string, leaseId: string): Promise<KernelAnswer>;
  /** All its leases. */
  detach(kernelId: string): Promise<KernelAnswer>;
  /** An idle lease counts as used now. */
  keep(leaseId: string): Promise<LeaseAnswer>;
}

export function kernelApi(settings: ServerConnection.ISettings): IKernelApi {
  const path = '/kernels/{id}/attach';
  return {
    kernels: () => get('/kernels', {}, settings),
    attach: (id, lease_id) =>
      post(path, { path: { id }, body: { lease_id } }, settings),
    detach: id => remove(path, { path: { id } }, settings),
    keep: id =>
      patch(
        '/leases/{id}',
        { path: { id }, body: { keep: true } as LeasePatchBody },
        settings
      )
  };
}
