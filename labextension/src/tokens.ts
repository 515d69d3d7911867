/** What the plugins of this extension offer each other and others. */

import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import type { Folds } from './gpus/folds';
import type { GpuModel } from './gpus/model';
import type { IGpuSettings } from './gpus/settings';

/** The GPUs of the machine that the Jupyter server runs on. */
export interface IGpus {
  readonly model: GpuModel;
  readonly folds: Folds;
  readonly settings: IGpuSettings;
  readonly settingsChanged: ISignal<IGpus, void>;
  /** Ask the server now. */
  refresh(): void;
}

export const IGpus = new Token<IGpus>(
  'jupyter-gpuctl:IGpus',
  'The GPUs of the machine that the Jupyter server runs on.'
);

export const CommandIDs = {
  show: 'gpuctl:show-panel',
  refresh: 'gpuctl:refresh'
} as const;
