/** The GPU wing's parts, joined: state, polling, settings, folds. */

import type { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IGpus } from '../tokens';
import type { Folds } from './folds';
import type { GpuModel } from './model';
import { startPolling } from './polling';
import { DEFAULTS, type IGpuSettings } from './settings';

export class Gpus implements IGpus {
  constructor(
    readonly model: GpuModel,
    readonly folds: Folds
  ) {
    this._poll = startPolling(model, () => this._settings.interval);
  }

  get settings(): IGpuSettings {
    return this._settings;
  }

  set settings(settings: IGpuSettings) {
    this._settings = settings;
    this._settingsChanged.emit();
    this.model.touch();
  }

  get settingsChanged(): ISignal<IGpus, void> {
    return this._settingsChanged;
  }

  refresh(): void {
    void this._poll.refresh();
  }

  private _settings = DEFAULTS;
  private readonly _poll: Poll<void>;
  private readonly _settingsChanged = new Signal<IGpus, void>(this);
}
