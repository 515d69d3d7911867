/** What the plugins of this extension offer each other and others. */

import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { ReactNode } from 'react';

import type { IPanelContext } from './gpus/components/context';
import type { Folds } from './gpus/folds';
import type { GpuModel } from './gpus/model';
import type { IDeviceRow, IKernelRow } from './gpus/rows';
import type { IGpuSettings } from './gpus/settings';
import type { LeaseModel } from './leases/model';

/** What another wing adds to the panel and to the status bar. */
export interface IPanelPart {
  /** Emitted when any of it has changed. */
  readonly changed: ISignal<unknown, void>;
  /** Devices that somebody has a right to, whether or not anything runs on them. */
  readonly held: ReadonlySet<string>;
  /** Over the line that tells of the devices; `null`: nothing. */
  above(): ReactNode;
  /** Under it. `isFree`: at least one device can be had. */
  below(isFree: boolean): ReactNode;
  /** At the end of a device's last line. `isIdle`: nothing runs on it, so that it can be had. */
  device(row: IDeviceRow, isIdle: boolean): ReactNode;
  /** Under a kernel's line; left out, or `null`: nothing. */
  kernel?(row: IKernelRow): ReactNode;
  /** Bytes of the host's memory that a kernel may use; `null`: not limited. */
  memoryLimit?(kernelId: string): number | null;
  /** Between the devices and the kernels. */
  sections(context: IPanelContext): ReactNode;
  /** A few words for the status bar; empty: none. */
  status(): string;
}

/** The GPUs of the machine that the Jupyter server runs on. */
export interface IGpus {
  readonly model: GpuModel;
  readonly folds: Folds;
  readonly settings: IGpuSettings;
  readonly settingsChanged: ISignal<IGpus, void>;
  /** What other wings add, in the order in which they came. */
  readonly parts: readonly IPanelPart[];
  /** Emitted when a part has come, and when one has changed. */
  readonly partsChanged: ISignal<IGpus, void>;
  addPart(part: IPanelPart): void;
  /** Ask the server now. */
  refresh(): void;
}

export const IGpus = new Token<IGpus>(
  'jupyter-gpuctl:IGpus',
  'The GPUs of the machine that the Jupyter server runs on.'
);

/** Who holds which GPU until when, and who waits. */
export interface ILeases {
  readonly model: LeaseModel;
  /** Emitted each second while something counts down, and after each change. */
  readonly ticked: ISignal<ILeases, void>;
  /**
   * Somebody else tells that these leases have ended, as long as they are named; each call names
   * them all. Ends of others are told, and of these once they are no longer named.
   */
  leaveEnds(leases: ReadonlySet<string>): void;
  /** Ask the server now. */
  refresh(): void;
}

export const ILeases = new Token<ILeases>(
  'jupyter-gpuctl:ILeases',
  'Who holds which GPU until when, and who waits.'
);

export const CommandIDs = {
  show: 'gpuctl:show-panel',
  refresh: 'gpuctl:refresh',
  request: 'gpuctl:request',
  release: 'gpuctl:release',
  extend: 'gpuctl:extend',
  accept: 'gpuctl:accept',
  decline: 'gpuctl:decline',
  cancel: 'gpuctl:cancel',
  kernelMenu: 'gpuctl:kernel-menu',
  kernelState: 'gpuctl:kernel-state',
  attach: 'gpuctl:attach',
  detach: 'gpuctl:detach',
  restart: 'gpuctl:restart-kernel',
  validateNotebook: 'gpuctl:validate-notebook',
  validateFolder: 'gpuctl:validate-folder',
  validateSelected: 'gpuctl:validate-selected',
  showValidation: 'gpuctl:show-validation'
} as const;
